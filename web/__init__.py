"""The browser's edge: pages, an API, and WebRTC in and out. Knows streams only by the protocols of `web.feeds`."""
