//! Tower layers that turn any service talking to Claude into a multi-tenant platform.
