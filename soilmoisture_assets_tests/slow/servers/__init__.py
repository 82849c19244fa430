"""Several studies, people and machines that share servers: the web UI and its daemon, Postgres."""
