//! The other ways to build the client: a workspace is built in one way only, with one provider of cryptography.

/// Arguments of `cargo test`. Each is a build of its own: seconds, but for aws-lc-rs, whose C takes half a minute once.
///
/// A provider that needs no more than another build has stands behind it, so that less is built twice.
pub(super) const BUILDS: [&[&str]; 6] = [
    // No crate needs a feature of its own to be built, nor for what it tests of itself.
    &["-p=stellata-client", "-p=stellata-pool", "-p=stellata", "--no-default-features", "--lib"],
    &["-p=stellata-tests-providers", "--tests", "--features=without"],
    &["-p=stellata-tests-providers", "--tests", "--features=installed"],
    &["-p=stellata-tests-providers", "--tests", "--features=ring"],
    &["-p=stellata-tests-providers", "--tests", "--features=aws-lc-rs"],
    &["-p=stellata-tests-providers", "--tests", "--features=ring,aws-lc-rs"],
];
