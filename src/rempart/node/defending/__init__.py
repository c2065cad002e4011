"""What the judgement of the defence loop stands on in a running node: its journal, a person's orders, its
words.

Where it stands: two processes judge, the packet shield's part (packets) and another (requests), each with a
``Deciding`` of its own. It feeds ``defence.Defence``, writes down what stands and what stood
(``journal``), follows what people order (``orders``), and hands back what is to be carried out. The
command line, ``rempart status`` and the node's metrics read the same files.
"""
