//! The API server's version, by which some rules of the HPA differ.

use crate::doctor::evidence::Evidence;

/// Major and minor version; none where it was not read.
pub fn minor(evidence: &Evidence) -> Option<(u32, u32)> {
    let mut parts = evidence.kubernetes.seen()?.strip_prefix('v')?.split('.');
    let mut number = || parts.next()?.trim_end_matches('+').parse().ok();
    Some((number()?, number()?))
}

/// Whether it is this minor version of Kubernetes 1 or a later one; an unknown version is taken for a current one.
pub fn is_at_least(evidence: &Evidence, minor_version: u32) -> bool {
    minor(evidence).is_none_or(|version| version >= (1, minor_version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::read::Read;

    #[test]
    fn versions_of_distributions_are_read() {
        for (version, expected) in
            [("v1.37.2", Some((1, 37))), ("v1.34.4-eks-1a2b", Some((1, 34))), ("v1.33+", Some((1, 33))), ("1", None)]
        {
            let evidence = Evidence { kubernetes: Read::Seen(version.to_owned()), ..Evidence::default() };
            assert_eq!(minor(&evidence), expected, "{version}");
        }
        assert!(is_at_least(&Evidence::default(), 37));
    }
}
