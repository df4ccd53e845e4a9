"""One idea, five reviewers, one decision.

`decision` holds the rules, `orca` the model calls, `workflow` (the services of this app) moves a run from step to step,
`prompt_sets` installs the default prompts; `api`, `admin` and `views` show runs and start them.
"""
