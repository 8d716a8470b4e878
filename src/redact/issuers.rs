//! Prefixes with which issuers mark their credentials.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Prefixes that only credentials have.
#[rustfmt::skip]
const SURE: &[&str] = &[
    // Clouds: Alibaba, AWS, Azure's Entra ID, Databricks, DigitalOcean, Fly.io, Google, Heroku, IBM, Scaleway, Vercel.
    "AKIA", "dop_v1_", "doo_v1_", "dor_v1_",
    "AIza", "GOCSPX-", "ya29.", "HRKU-", "vercel_", "pscale_",
    // Code and packages: Artifactory, Bitbucket, Buildkite, CircleCI, Docker, GitHub, GitLab, npm, NuGet, PyPI, RubyGems.
    "ATBB", "ATCTT", "ATATT", "CCIPAT_", "CCIPRJ_", "dckr_pat_", "dckr_oat_",
    "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_",
    "glpat-", "gldt-", "glrt-", "glptt-", "glft-", "glsoat-", "glcbt-", "gloas-", "glimt-", "glffct-",
    "rubygems_",
    // Secrets of secrets' stores: 1Password, age, Doppler, HashiCorp's Vault and Terraform, Infisical, Prefect, Pulumi.
    "ops_eyJ", "AGE-SECRET-KEY-", "dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit.",
    "hvs.", "hvb.", "hvr.", "vault:v1:", "atlasv1.", "prefect_api_", "tskey-",
    // Watching: Datadog, Dynatrace, Grafana, Honeycomb, New Relic, PagerDuty, PostHog, Sentry.
    "dd_api_", "ddpat_", "dt0c01.", "dt0s01.", "dt0s02.", "glsa_", "hcaik_", "hcxik_", "hcamk_",
    "NRAK-", "NRAA-", "NRII-", "NRIQ-", "NRJS-", "NRRA-", "NRSP-", "sntrys_", "sntryu_",
    // Money: Flutterwave, Shippo, Shopify, Square, Stripe, EasyPost, Duffel, Razorpay, PayPal.
    "FLWSECK", "shippo_live_", "shippo_test_", "shpat_", "shpca_", "shppa_", "shpss_", "sq0atp-", "sq0csp-", "sq0idp-",
    "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "duffel_", "rzp_live_", "rzp_test_",
    "access_token$",
    // Talk: Discord's MFA, Facebook, HubSpot, Intercom, Linear, Notion, Slack, Telegram, Twilio's SendGrid, Zendesk.
    "pat-na1-", "pat-eu1-", "lin_api_", "lin_oauth_",
    "xapp-", "xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-",
    // Models: Anthropic and OpenAI, Google, Groq, Hugging Face, NVIDIA, Perplexity, Replicate, xAI.
    "sk-ant-", "sk-proj-", "sk-or-", "T3BlbkFJ", "nvapi-",
    // Else: Airtable, Apify, Asana, Cloudflare, Contentful, Figma, Frame.io, Mapbox, Postman, ReadMe, Supabase.
    "apify_api_", "CFPAT-", "figd_", "figu_", "fio-u-", "pk.eyJ", "sk.eyJ", "PMAK-", "rdme_", "sbp_",
    "sb_secret_", "Atza|",
    // A JSON Web Token, and JSON in base64.
    "eyJ",
];

/// Prefixes that ordinary words have too, and the minimum length of what follows. It must contain a digit or a capital.
#[rustfmt::skip]
const LONG: &[(&str, usize)] = &[
    ("1//0", 20), ("A3T", 16), ("ABIA", 12), ("ABSK", 12), ("AC", 32), ("ACCA", 12), ("AGPA", 12), ("AIDA", 12),
    ("AKCp", 8), ("APKA", 12), ("AROA", 12), ("ASIA", 12), ("ATZR", 12), ("ApiKey-", 8), ("EAAA", 12), ("EAAB", 8),
    ("EAAC", 8), ("EAAG", 8), ("EZAK", 8), ("EZTK", 8), ("LTAI", 8), ("SCW", 17), ("SG.", 8), ("SK", 32),
    ("aio_", 8), ("b.", 20), ("bkua_", 6), ("cfat_", 8), ("cfut_", 8), ("cio", 20), ("dapi", 20), ("fm1_", 8),
    ("fm2_", 8), ("fo1_", 8), ("fw_", 12), ("glagent-", 8), ("glc_", 6), ("gsk_", 6), ("hf_", 6), ("key-", 12),
    ("mfa.", 20), ("nfp_", 8), ("npm_", 8), ("ntn_", 8), ("oy2", 20), ("pat", 14), ("phc_", 8), ("phx_", 8),
    ("pnb_", 8), ("pnu_", 8), ("pplx-", 6), ("pul-", 12), ("pypi-", 6), ("r8_", 6), ("rk_", 8), ("s.", 20),
    ("secret_", 16), ("sgp_", 8), ("sk-", 12), ("sk_", 8), ("sl.", 20), ("sonar_", 12), ("sqa_", 12), ("sqp_", 12),
    ("squ_", 12), ("st.", 24), ("tfp_", 8), ("tok_", 8), ("tvly-", 8), ("v1.0-", 20), ("vcp_", 8), ("xai-", 6),
];

/// The minimum number of characters after a certain prefix: less is the prefix itself, named in a sentence.
const LEAST: usize = 4;

/// The certain prefixes by their first byte: every word of a text is compared with them.
static BY_FIRST: LazyLock<BTreeMap<u8, Vec<&str>>> = LazyLock::new(|| {
    let mut by_first: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
    for prefix in SURE {
        by_first.entry(prefix.as_bytes()[0]).or_default().push(prefix);
    }
    by_first
});

/// The length of the credential that starts at this position, if one does.
pub fn credential(text: &str, at: usize) -> Option<usize> {
    let before = text[..at].chars().next_back();
    let begins = text[at..].starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let whole = |prefix: &str| {
        let rest = text[at..].strip_prefix(prefix)?;
        Some((prefix.len(), rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())))
    };
    let first = text.as_bytes()[at];
    let sure = || {
        let prefixes = BY_FIRST.get(&first).into_iter().flatten();
        prefixes.filter_map(|prefix| whole(prefix)).find(|(_, rest)| *rest >= LEAST)
    };
    // Not inside a longer name.
    let long = || if before.is_some_and(|c| "_-.".contains(c)) { None } else { long(&text[at..]) };
    let (prefix, rest) = sure().or_else(long)?;
    Some(prefix + rest)
}

fn long(text: &str) -> Option<(usize, usize)> {
    let mut alike = LONG.iter().filter(|(prefix, _)| prefix.as_bytes()[0] == text.as_bytes()[0]);
    alike.find_map(|(prefix, least)| {
        let rest = text.strip_prefix(prefix)?;
        let word = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
        let is_none = word.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
        let whole = || rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        (is_none && word.len() >= *least).then(|| (prefix.len(), whole()))
    })
}

/// Whether a credential may contain this character.
fn is_part(one: char) -> bool {
    one.is_ascii_alphanumeric() || "_-.+/=~|$%".contains(one)
}

#[cfg(test)]
mod tests {
    use super::credential;

    #[test]
    fn prefix_matches_only_at_the_start_of_a_word() {
        for text in
            ["ghp_hidden", "AKIAHIDDEN0", "eyJhbGci.e30.x", "sk-0123456789abcdef", "key-0123456789ab", "xoxb-1-2-a"]
        {
            assert_eq!(credential(text, 0), Some(text.len()), "{text}");
        }
        for text in
            ["key-value", "sk-shop-7d94b56f44-fblvd", "s.example.com", "ghp_", "secret_name", "ASIAN", "patient"]
        {
            assert_eq!(credential(text, 0), None, "{text}");
        }
        assert_eq!(credential("monkey-0123456789ab", 3), None);
        assert_eq!(credential("'ghp_hidden'", 1), Some("ghp_hidden".len()));
    }
}
