"""The public log on disk, on the network and before its witnesses: the shell around ``governance/log``.

``public_log`` is what the rest of the controller uses: `PublicLog.append`, whose contract is that a step
which is not in the log has no effect.
"""
