//! The queries of triggers and rules.

use loadtest::autoscaling::duration;
use loadtest::autoscaling::promql::{is_plain_rate, one_selector, ranges_of_rates, seconds, selectors, window};

use super::cases;

const QUERIES: [&str; 6] = [
    r#"sum(rate(http_requests_total{namespace="shop",pod=~"a|b{2}"}[2m])) by (pod)"#,
    "sum by (pod) (increase(a_total[1h30m] offset 5m)) / on(pod) group_left (x) b or vector(0)",
    r#"histogram_quantile(0.9, sum(rate(a_bucket{p=~"x\\.y",le!='+Inf'}[5m:1m])) by (le)) * 1.5e3"#,
    r#"{__name__="a",b!='c'} > bool 2e3 unless {"http.requests"}"#,
    r#"label_replace(job:a:rate1m, "dst", "$1", `src`, "b(.*)")"#,
    "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)",
];

#[test]
fn any_query_is_read() {
    cases(20_000, |mutation| {
        let query = *mutation.one(&QUERIES);
        let query = mutation.text(query);
        let found = selectors(&query);
        assert!(found.len() <= query.len());
        // What is made of a query is no longer than it can be with each character escaped.
        assert!(found.iter().all(|selector| selector.text().len() <= 4 * query.len() + 4));
        assert!(ranges_of_rates(&query).iter().all(|range| query.contains(range)));
        assert!(one_selector(&query).is_none_or(|matchers| matchers.len() <= query.len()));
        let _ = (is_plain_rate(&query), window(&query), seconds(&query));
        let _ = (duration::prometheus(&query), duration::go(&query));
    });
}
