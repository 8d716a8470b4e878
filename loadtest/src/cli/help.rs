//! What `--help` says after its options.

/// After the help of the whole tool.
pub(super) const EXAMPLES: &str = "\
Examples:
  loadtest rehearse                   rehearse on this machine, no cluster
  loadtest run                        load the cluster's only HPA
  loadtest run --hpa shop/hpa --stage 10rps:3m --stage 1rps:8m --out report
  loadtest run --url http://localhost:9898 --stage 1rps..100rps:1m --p99 50ms
  loadtest run --url https://shop.example --stage 50rps:2m --threshold 'p(99)<50ms'
  loadtest run --url http://localhost:9898 --clients 16 --duration 30s --think-time 100ms
  loadtest predict --stage 10rps:3m   calculate the replicas
  loadtest compare report report-2    show two reports side by side
  loadtest doctor                     find out why the HPA does not scale

Requests: offered by the profile; sent, or else dropped (too many in flight, or the generator fell behind); answered \
with any status; succeeded with a status of 2xx, unless --expect-status or --expect-body say otherwise; failed if they did \
not succeed, or got no answer.

Exit codes: 0 passed, or nothing was expected; 1 failed: an expectation does not hold; 2 bad usage; 3 undecided: the run \
was interrupted or cut short, the load could not be offered, a percentile has too few samples, the doctor found the \
chain broken, or the cluster does not answer. The doctor has its own exit codes: loadtest doctor --help.";

/// After the help of `loadtest doctor`.
pub(super) const DOCTOR: &str = "\
Examples:
  loadtest doctor                               check the cluster's only HPA
  loadtest doctor shop/hpa --bundle shop.json   and keep the evidence
  loadtest doctor --from shop.json              the same from that file
  loadtest doctor -A                            check every HPA of the cluster, a line each
  loadtest doctor --explain rule-absent         explain a cause and its fix

It prints one line per link, then the cause, the evidence and the fix. The marks: ✓ ok, ✗ broken, ? no access, \
· not checked (another link decides, or it is too early to tell), - not applicable to this kind of metric.
It changes nothing. It queries Prometheus through a port-forward or the API server's proxy, and names missing rights.

Exit codes: 0 healthy, 1 a link is broken, 2 bad usage, 3 undecided: nothing is known to be broken, but the HPA does not \
report that it reads its metric, or the cluster does not answer. With -A, the exit code is that of the worst HPA.";
