"""The abuse desk: reports as they are taken, kept and passed on. The shell around ``governance.reports``.

``desk`` takes reports, ``reading`` shows them to each whom they concern, ``triage`` is what people do with
them; ``letters`` is the outbox, which nothing mails; ``evidence`` keeps files; ``serving`` says whose site a
URL is of. Who reported is opened in ``confidences`` and nowhere else.
"""
