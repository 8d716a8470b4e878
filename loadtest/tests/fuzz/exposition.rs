//! A pod's page of metrics.

use loadtest::autoscaling::exposition::{names_of, series_of, sum_of};

use super::cases;

const PAGE: &str = "# HELP http_requests_total The total number of HTTP requests.\n# TYPE http_requests_total counter\n\
                    http_requests_total{method=\"GET\",path=\"root\",status=\"200\"} 1200 1700000000\n\
                    http_requests_total{path=\"a } b\\\"\"} +Inf\nup 1\nx_bucket{le=\"0.5\"} 1e3 # {trace=\"a\"} 1\n# EOF\n";

#[test]
fn any_page_is_read() {
    cases(20_000, |mutation| {
        let page = mutation.text(PAGE);
        for name in ["http_requests_total", "up", "", "x_bucket{"] {
            let series = series_of(&page, name).count();
            assert!(series <= page.lines().count());
            // Whatever it comes to.
            let _ = sum_of(&page, name);
        }
        assert!(names_of(&page).all(|name| !name.is_empty() && page.contains(name)));
    });
}
