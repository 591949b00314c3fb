//! Repositories of rpm packages and the choice among them: `.repo` files, metadata, streams of
//! modules, plans as dnf and zypper make them; and the repairer of images that rpm built.
