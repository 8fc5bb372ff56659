"""`muster new`: a small project that runs.

command.py   the command
naming.py    what a project may be called, and what becomes of the name. Pure
project.py   the files of a project, from the templates. Pure
writing.py   putting them into a new directory, and the code that protoc makes
templates/   `common` is part of every project, one of the other folders besides. `_name_` stands for the service's
             name and `_module_` for the package's, in paths too; `.template` keeps linters and git from taking them
             for ours
"""
