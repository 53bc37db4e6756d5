"""One module for each kind of thing that discovery looks for; `agent.discover.survey` has all of them."""
