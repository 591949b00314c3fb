//! Images without dpkg (Google's distroless): being written.
