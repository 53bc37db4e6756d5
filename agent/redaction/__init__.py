"""What must not leave a site, and how it is taken out: detectors, the site's own rules, masked names."""
