"""A stand-in for Amazon Bedrock batch inference on one machine: ``python -m bbkit.standin DIR``.

One process on 127.0.0.1 answers the calls of real boto3 or of the AWS CLI: ``gateway`` checks the signature
and hands on to ``s3``, ``control_plane`` (jobs), ``runtime`` (on demand) or ``quotas``. ``job_runner`` takes
a job from status to status: its input is linked into a ``job_folder``, its ``records`` are answered in engine
processes (``shapes`` read and write bodies, ``engines`` answer), and the output is put into its bucket. It is
a wing apart: it imports no other room of bbkit and no room imports it, so that agreement means something.
"""
