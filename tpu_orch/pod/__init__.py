"""What a run does at its start when it is one of several processes: find the others, agree with them, fetch its inputs."""
