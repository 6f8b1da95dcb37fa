"""The stand-in's own S3: `bodies` decodes and verifies what comes in."""
