"""The face: Flask, and the command line. `create_app` is the composition root of the server."""
