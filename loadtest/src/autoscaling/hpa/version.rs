//! What Kubernetes versions do differently with an HPA.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A minor version of Kubernetes, such as 1.37, by whose rules an HPA is judged. Feature gates are taken to have their
/// defaults: `pkg/features/kube_features.go`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Version(u32);

/// A text that is not a version of Kubernetes 1.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a version of Kubernetes, such as 1.37")]
pub struct NotAVersion(String);

impl Version {
    /// Kubernetes 1.MINOR.
    pub const fn minor(minor: u32) -> Self {
        Self(minor)
    }

    /// Whether the tolerances in an HPA's `behavior` count: `HPAConfigurableTolerance`. The API server drops them before.
    pub fn has_tolerances(self) -> bool {
        self.0 >= 35
    }

    /// Whether `minReplicas` may be 0, and the condition `ScaledToZero` decides about a workload without replicas:
    /// `HPAScaleToZero`.
    pub fn scales_to_zero(self) -> bool {
        self.0 >= 37
    }

    /// Whether a new HPA, and one whose spec has changed, is synced at once, and not after a sync period:
    /// `HPAGeneration`.
    pub fn syncs_changes_at_once(self) -> bool {
        self.0 >= 37
    }
}

impl Default for Version {
    /// The version that is assumed where none is known: manifests do not name one.
    fn default() -> Self {
        Self(37)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl FromStr for Version {
    type Err = NotAVersion;

    /// Reads `1.37`, and a server's `gitVersion`, such as `v1.37.2-eks-1a2b3c4`.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let minor = text.strip_prefix('v').unwrap_or(text).strip_prefix("1.").unwrap_or_default();
        let digits = minor.find(|c: char| !c.is_ascii_digit()).map_or(minor, |end| &minor[..end]);
        digits.parse().map(Self).map_err(|_| NotAVersion(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_a_servers_own_text() {
        for text in ["1.37", "v1.37.2", "v1.37.0-eks-1a2b3c4", "1.37+", "v1.37.1+k3s1"] {
            assert_eq!(text.parse(), Ok(Version::minor(37)), "{text}");
        }
        for text in ["", "v2.1.0", "1.", "one", "1.-3", "137"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert_eq!(Version::minor(34).to_string(), "1.34");
        assert!(Version::minor(35).has_tolerances() && !Version::minor(34).has_tolerances());
    }
}
