"""What all tests share: no display is needed, no network is reached, no data of the person is touched."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["CHATDESK_LEAN"] = "off"  # its own tests turn it on; nothing else waits for a compilation
