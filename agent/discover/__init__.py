"""`firstlight discover`: from what a healthy machine is to a profile that holds it to that.

`looking` reads, in rounds, what the `areas` ask for; the areas turn readings into entries; `draft` makes one
profile of the entries of all targets, `trial` judges it on the same readings and takes out what does not
pass, `profile_text` writes it. Only `looking` touches a machine.
"""
