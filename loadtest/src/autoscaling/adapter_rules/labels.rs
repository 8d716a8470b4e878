//! Which label stands for which resource.
//!
//! Source: `pkg/naming/resource_converter.go` and `lbl_res.go`.

use std::collections::BTreeMap;

use super::{Error, GroupResource, Resources};
use crate::autoscaling::adapter_rules::config::Mapping;
use crate::autoscaling::adapter_rules::pattern::Pattern;
use crate::autoscaling::adapter_rules::template::{Template, Value};

/// A rule's `resources`. With neither overrides nor a template no label stands for anything, and the rule makes no
/// metric: the adapter's documentation says that it refuses this, its code does not.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    resources: Resources,
    overrides: BTreeMap<String, GroupResource>,
    template: Option<(Template, Pattern)>,
}

impl Labels {
    pub fn new(mapping: &Mapping, resources: &Resources) -> Result<Self, Error> {
        let text = &mapping.template;
        let template = if text.is_empty() { None } else { Some(label_template(text)?) };
        let mut overrides = BTreeMap::new();
        for (label, to) in &mapping.overrides {
            let resource = resources.find(&to.group, &to.resource).map_err(|why| {
                let (group, resource) = (&to.group, &to.resource);
                Error::Refused(format!("unable to normalize group-resource {{{group} {resource}}}: {why}"))
            })?;
            overrides.insert(label.clone(), resource);
        }
        Ok(Self { resources: resources.clone(), overrides, template })
    }

    /// What a series with this label describes.
    pub fn resource_of(&self, label: &str) -> Option<GroupResource> {
        if let Some(resource) = self.overrides.get(label) {
            return Some(resource.clone());
        }
        let (_, pattern) = self.template.as_ref()?;
        let part = |name| pattern.named(name, label);
        // The group as the label has it: one with dots, which the template writes as underscores, is not found again.
        self.resources.find(part("group").unwrap_or_default(), part("resource")?).ok()
    }

    /// The label that a query names a resource by.
    pub fn label_of(&self, resource: &GroupResource) -> Result<String, Error> {
        let mut labels = self.overrides.iter().filter(|(_, to)| *to == resource).map(|(label, _)| label);
        if let Some(label) = labels.next() {
            return match labels.next() {
                None => Ok(label.clone()),
                Some(other) => Err(Error::NotKnown(format!(
                    "the labels {label} and {other} both stand for {resource}: the adapter queries by one of them, \
                     which one is chance at each of its starts"
                ))),
            };
        }
        let refused = |why: &str| Error::Refused(format!("unable to convert resource {resource} into label: {why}"));
        let Some((template, _)) = &self.template else {
            return Err(refused("no generic resource label form specified for this metric"));
        };
        let singular = self.resources.singular(&resource.resource).map_err(|error| refused(&error.to_string()))?;
        let label = render(template, &resource.group.replace(['.', '-'], "_"), &singular)?;
        if label.is_empty() { Err(refused("empty label produced by label template")) } else { Ok(label) }
    }
}

/// The template, and what it makes of any group and resource, as the pattern of its labels: what stands in it besides
/// is a regular expression.
fn label_template(text: &str) -> Result<(Template, Pattern), Error> {
    let refused = |what: &str, why: &str| Error::Refused(format!("unable to {what} template {text:?}: {why}"));
    let template = Template::parse(text).map_err(|error| refused("parse label", &error.to_string()))?;
    let format = "generate label format from";
    let expression = render(&template, "(?P<group>.+?)", "(?P<resource>.+?)").map_err(|error| match error {
        Error::Refused(why) => refused(format, &why),
        other @ Error::NotKnown(_) => other,
    })?;
    if expression.is_empty() {
        return Err(refused(format, "unable to convert label template to matcher: empty template"));
    }
    let pattern = Pattern::new(&format!("^{expression}$")).map_err(|error| match error {
        Error::Refused(why) => refused(format, &why),
        other @ Error::NotKnown(_) => other,
    })?;
    if !pattern.has_group("resource") {
        return Err(refused(format, "must include at least `{{.Resource}}` in the label template"));
    }
    Ok((template, pattern))
}

fn render(template: &Template, group: &str, resource: &str) -> Result<String, Error> {
    let text = |text: &str| Value::Text(text.to_owned());
    template.render("schema.GroupResource", &[("Group", text(group)), ("Resource", text(resource))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscaling::adapter_rules::config::Override;
    use crate::autoscaling::adapter_rules::resources::tests::resources;

    fn labels(template: &str, overrides: &[(&str, &str, &str)]) -> Result<Labels, String> {
        let overrides = overrides.iter().map(|(label, group, resource)| {
            (label.to_string(), Override { group: group.to_string(), resource: resource.to_string() })
        });
        let mapping = Mapping { template: template.to_owned(), overrides: overrides.collect(), namespaced: None };
        Labels::new(&mapping, &resources()).map_err(|error| error.to_string())
    }

    fn resource(labels: &Labels, label: &str) -> Option<String> {
        labels.resource_of(label).map(|resource| resource.to_string())
    }

    fn label(labels: &Labels, group: &str, resource: &str) -> Result<String, String> {
        let resource = GroupResource { group: group.to_owned(), resource: resource.to_owned() };
        labels.label_of(&resource).map_err(|error| error.to_string())
    }

    #[test]
    fn a_template_takes_any_label_that_is_a_resource() {
        let labels = labels("<<.Resource>>", &[]).unwrap();
        let found = ["pod", "namespace", "deployment", "job", "instance"].map(|label| resource(&labels, label));
        let expected = [Some("pods"), Some("namespaces"), Some("deployments.apps"), Some("jobs.batch"), None];
        assert_eq!(found, expected.map(|name| name.map(str::to_owned)));
        assert_eq!(label(&labels, "", "pods").unwrap(), "pod");
    }

    #[test]
    fn an_override_goes_before_the_template_both_ways() {
        let labels = labels("kube_<<.Group>>_<<.Resource>>", &[("pod_name", "", "pod"), ("app", "apps", "deployment")]);
        let labels = labels.unwrap();
        assert_eq!(resource(&labels, "pod_name").unwrap(), "pods");
        assert_eq!(resource(&labels, "kube_apps_deployment").unwrap(), "deployments.apps");
        assert_eq!(label(&labels, "apps", "deployments").unwrap(), "app");
        assert_eq!(label(&labels, "batch", "jobs").unwrap(), "kube_batch_job");
    }

    #[test]
    fn a_group_with_dots_is_written_with_underscores_and_not_found_again() {
        let labels = labels("kube_<<.Group>>_<<.Resource>>", &[]).unwrap();
        let written = label(&labels, "networking.k8s.io", "ingresses").unwrap();
        assert_eq!(written, "kube_networking_k8s_io_ingress");
        assert_eq!(resource(&labels, &written), None);
    }

    #[test]
    fn without_any_mapping_no_label_stands_for_anything() {
        let labels = labels("", &[]).unwrap();
        assert_eq!(resource(&labels, "pod"), None);
        let error = label(&labels, "", "pods").unwrap_err();
        assert_eq!(
            error,
            "unable to convert resource pods into label: no generic resource label form specified for this metric"
        );
    }

    #[test]
    fn two_labels_of_one_resource_are_chance() {
        let labels = labels("", &[("pod", "", "pod"), ("pod_name", "", "pods")]).unwrap();
        assert_eq!(resource(&labels, "pod"), resource(&labels, "pod_name"));
        assert!(label(&labels, "", "pods").unwrap_err().contains("the labels pod and pod_name both stand for pods"));
    }

    #[test]
    fn what_ends_the_adapter() {
        for (template, why) in [
            ("x", "must include at least"),
            ("<<.Group>>", "must include at least"),
            ("<<.Kind>>", "can't evaluate field Kind in type schema.GroupResource"),
            ("<<.Resource", "unclosed action"),
            ("(<<.Resource>>", "template \"(<<.Resource>>\""),
        ] {
            let error = labels(template, &[]).unwrap_err();
            assert!(error.contains(why), "{template}: {error}");
        }
        let error = labels("", &[("instance", "", "instance")]).unwrap_err();
        assert_eq!(error, "unable to normalize group-resource { instance}: no matches for /, Resource=instance");
    }
}
