"""The process that binds the power over who is protected: cases, remedies, quorum, the public log. Pure."""
