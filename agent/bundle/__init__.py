"""The diagnostic bundle: what a support engineer wants to know of a site, in one file that people look at.

`gathering` reads and puts the parts together, `archive` writes them, `opening` reads a bundle again, which
may come from anybody.
"""
