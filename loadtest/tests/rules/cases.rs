//! Rules that use the whole language, over the series of any kubelet, and configurations that the adapter refuses.

/// The overrides that most rules have.
const PODS: &str = "resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}";
const MEMORY: &str = r#"seriesQuery: 'container_memory_usage_bytes{namespace!="",pod!=""}'"#;
const ALL_MEMORY: &str = r#"seriesQuery: '{__name__=~"^container_memory_.*",pod!=""}'"#;
const CPU: &str = r#"seriesQuery: 'container_cpu_usage_seconds_total{namespace!="",pod!=""}'"#;
const SUM: &str = "metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'";
const RATE: &str = "metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)'";
const GROUPS: &str = "resources: {overrides: {pod: {resource: pods}, namespace: {resource: Namespaces}, \
    container: {group: storage, resource: storageclass}}}";
const VOLUME: &str = "resources: {overrides: {container: {group: batch, resource: job}, namespace: {resource: namespace}, \
    job: {resource: persistentvolume}}}";
const VALUES: &str = "metricsQuery: 'sum(<<.Series>>{namespace=\"<<index .LabelValuesByName \"namespace\">>\", \
    pod=~\"<<.LabelValuesByName.pod>>\"}) by (<<.GroupBy>>)'";
const INDEX: &str = "metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>, \
    container!=\"<<index .LabelValuesByName `none`>><<.LabelValuesByName.none>>\"}) \
    by (<<index .GroupBySlice 0>>)'";
const PRINTED: &str = "metricsQuery: 'label_replace(sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>), \"what\", \
    \"<<.LabelValuesByName>> <<.GroupBySlice>> {{.Series}}\", \"\", \"\")'";

/// The rules of `custom.metrics.k8s.io` as YAML, each with its own name.
pub fn custom() -> Vec<String> {
    let rules: &[(&[&str], &str)] = &[
        // The name: matches, as, and their defaults.
        (&[CPU, PODS, RATE], r#"name: {matches: ^(.*)_total, as: "NN_${1}_per_second"}"#),
        (&[CPU, PODS, RATE], r#"name: {matches: ^(.*)_total$, as: "$1_NN"}"#),
        (
            &[CPU, PODS, RATE],
            r#"name: {matches: "^container_(?P<what>.*)_(?P<unit>seconds)_total$", as: "NN_${what}_in_$unit"}"#,
        ),
        (&[CPU, PODS, RATE], r#"name: {as: "NN_$0_$$_${1}_${x-y}"}"#),
        (&[CPU, PODS, RATE], r#"name: {matches: "cpu_(usage)", as: "NN_$1"}"#),
        (&[CPU, PODS, RATE], "name: {matches: ^container_(.*)_total$}"),
        (&[CPU, PODS, RATE], "name: {matches: usage_seconds}"),
        (&[CPU, PODS, RATE], ""),
        (&[ALL_MEMORY, PODS, SUM], "name: {as: NN_all_the_same}"),
        (
            &[ALL_MEMORY, PODS, SUM],
            r#"name: {matches: "(?i)^CONTAINER_([[:alpha:]]+)_(\\w{2,}?)_bytes$", as: "NN_${1}_${2}"}"#,
        ),
        // Which series: filters.
        (&[ALL_MEMORY, PODS, SUM], r#"seriesFilters: [{is: "_bytes$"}], name: {as: "NN_$0"}"#),
        (
            &[ALL_MEMORY, PODS, SUM],
            r#"seriesFilters: [{isNot: "_total$"}, {isNot: max}, {is: memory}], name: {as: "NN_$0"}"#,
        ),
        (&[ALL_MEMORY, PODS, SUM], "seriesFilters: [{is: no_such_series}], name: {as: NN}"),
        (&[r#"seriesQuery: '{__name__="no_such_series"}'"#, PODS, SUM], "name: {as: NN}"),
        // Which resource a label names.
        (&[MEMORY, "resources: {template: <<.Resource>>}", SUM], "name: {as: NN_template}"),
        (
            &[
                MEMORY,
                "resources: {template: '<<.Resource>>', overrides: {container: {group: apps, resource: deployment}}}",
                SUM,
            ],
            "name: {as: NN_both}",
        ),
        (&[MEMORY, "resources: {template: 'names<<.Resource>>'}", SUM], "name: {as: NN_prefix}"),
        (&[MEMORY, "resources: {template: '<<.Group>>(|n)<<.Resource>>'}", SUM], "name: {as: NN_expression}"),
        (&[MEMORY, GROUPS, SUM], "name: {as: NN_groups}"),
        (&[MEMORY, "resources: {overrides: {pod: {resource: pod}}}", SUM], "name: {as: NN_no_namespace}"),
        (&[MEMORY, VOLUME, SUM], "name: {as: NN_volume}"),
        (&[MEMORY, "resources: {}", SUM], "name: {as: NN_nothing}"),
        (
            &["seriesQuery: machine_memory_bytes", "resources: {overrides: {node: {resource: node}}}", SUM],
            "name: {as: NN_node}",
        ),
        (&[r#"seriesQuery: 'up{job!=""}'"#, "resources: {template: '<<.Resource>>'}", SUM], "name: {as: NN_up}"),
        (&[MEMORY, "resources: {namespaced: false, template: '<<.Resource>>'}", SUM], "name: {as: NN_namespaced}"),
        // The query's template.
        (&[MEMORY, PODS, VALUES], "name: {as: NN_values}"),
        (&[MEMORY, PODS, INDEX], "name: {as: NN_index}"),
        (
            &[
                MEMORY,
                PODS,
                "metricsQuery: 'sum(<<- .Series ->> {<</* all of them */>><< .LabelMatchers >>}) by (<<.GroupBy>>)'",
            ],
            "name: {as: NN_blanks}",
        ),
        (&[MEMORY, PODS, PRINTED], "name: {as: NN_printed}"),
        (&[MEMORY, PODS, "metricsQuery: '<<.LabelMatcher>>'"], "name: {as: NN_wrong_field}"),
        (&[MEMORY, PODS, "metricsQuery: '<<index .GroupBySlice 1>>'"], "name: {as: NN_out_of_range}"),
        (&[MEMORY, PODS], "name: {as: NN_no_query}"),
        (
            &[MEMORY, PODS, "metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.Series.x>>)'"],
            "name: {as: NN_field_of_text}",
        ),
        // The last of several metrics with one name counts.
        (&[MEMORY, PODS, SUM], "name: {as: twice}"),
        (&[CPU, PODS, RATE], "name: {as: twice}"),
    ];
    numbered(rules)
}

/// The rules of `external.metrics.k8s.io`.
pub fn external() -> Vec<String> {
    let everything = "metricsQuery: '<<.Series>>{<<.LabelMatchers>>, \
                      what!=\"<<.GroupBy>><<.GroupBySlice>><<.LabelValuesByName>>\"}'";
    let anywhere = "resources: {namespaced: false, overrides: {namespace: {resource: namespace}}}";
    numbered(&[
        (&[CPU, PODS, RATE], r#"name: {matches: ^(.*)_total, as: "ext_NN_${1}"}"#),
        (&[MEMORY, PODS, everything], "name: {as: ext_NN}"),
        (&[MEMORY, anywhere, everything], "name: {as: ext_NN}"),
        (&[MEMORY, "resources: {template: 'a_<<.Resource>>'}", SUM], "name: {as: ext_NN}"),
        (&[MEMORY, "resources: {}", SUM], "name: {as: ext_NN}"),
        (&[ALL_MEMORY, "resources: {}", SUM], "seriesFilters: [{isNot: usage}], name: {as: ext_all}"),
    ])
}

fn numbered(rules: &[(&[&str], &str)]) -> Vec<String> {
    let rule = |(number, (fields, name)): (usize, &(&[&str], &str))| {
        let mut fields = fields.to_vec();
        fields.push(name);
        fields.retain(|field| !field.is_empty());
        format!("{{{}}}", fields.join(", ").replace("NN", &format!("r{number:02}")))
    };
    rules.iter().enumerate().map(rule).collect()
}

/// Configurations with which the adapter ends at startup.
pub const REFUSED: [&str; 16] = [
    "rules: [{seriesquery: x}]",
    "rules: [{seriesQuery: x, seriesQuery: y}]",
    "rules: {seriesQuery: x}",
    "rules: [{seriesQuery: x, seriesFilters: [{is: (}]}]",
    "rules: [{seriesQuery: x, seriesFilters: [{}]}]",
    "rules: [{seriesQuery: x, seriesFilters: [{is: a, isNot: b}]}]",
    "rules: [{seriesQuery: x, name: {matches: '*'}}]",
    "rules: [{seriesQuery: x, name: {matches: 'a**'}}]",
    "rules: [{seriesQuery: x, name: {matches: '(?x)a'}}]",
    "rules: [{seriesQuery: x, name: {matches: (a)(b)}}]",
    "rules: [{seriesQuery: x, resources: {template: pod}}]",
    "rules: [{seriesQuery: x, resources: {template: <<.Kind>>_<<.Resource>>}}]",
    "rules: [{seriesQuery: x, resources: {overrides: {pod: {resource: nothing}}}}]",
    "rules: [{seriesQuery: x, metricsQuery: <<.Series}]",
    "rules: [{seriesQuery: x, metricsQuery: <<Series>>}]",
    "externalRules: [{seriesQuery: x, metricsQuery: <<>>}]",
];
