//! A scriptable fake Claude, service probes and scripted bodies for tests.
