"""The first hour on an account, and the last: ask, check, build, deploy, put the credentials; and take it all away again."""
