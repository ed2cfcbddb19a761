"""pyinfra: facts, operations, deploys, inventory. The only package that imports pyinfra."""
