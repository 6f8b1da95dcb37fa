"""A stand-in for Amazon Bedrock batch inference on one machine: ``python -m bbkit.standin DIR``.

One process on 127.0.0.1 answers the calls of real boto3 (or of the AWS CLI) to ``bedrock``,
``bedrock-runtime``, ``s3``, ``service-quotas`` and ``sts:GetCallerIdentity``. It is a wing apart: it imports
no other room of bbkit and no room imports it, so that agreement between the two means something.
"""
