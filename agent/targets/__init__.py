"""Remote targets: the site file, the connections, and the rounds that read facts over them."""
