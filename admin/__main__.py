"""`python -m admin`: the operator's tool."""

from admin.operator import main

main()
