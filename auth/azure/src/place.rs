//! Which machine somebody says they are on, and whether their token says so too.
use lessor_engine::{Error, Result};

/// A resource by its id: `/subscriptions/…/resourceGroups/…/providers/…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) subscription: String,
    pub(crate) group: String,
    /// Behind `providers`: namespace, type and name, and so on.
    rest: Vec<String>,
}

/// What a login names.
#[derive(Clone, Default)]
pub(crate) struct Named {
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) vm: String,
    pub(crate) scale_set: String,
    pub(crate) resource: String,
}

const MACHINES: &str = "virtualMachines";
const SCALE_SETS: &str = "virtualMachineScaleSets";

impl Id {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_prefix('/')?.split('/').collect();
        let (head, rest) = parts.split_at_checked(5)?;
        let words = [head.first()?, head.get(2)?, head.get(4)?];
        let fits = words.iter().zip(["subscriptions", "resourceGroups", "providers"]);
        if !fits.into_iter().all(|(word, wanted)| word.eq_ignore_ascii_case(wanted)) {
            return None;
        }
        // A namespace, then pairs of type and name; a dot segment would lead elsewhere.
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if rest.len() < 3 || rest.len().is_multiple_of(2) || !parts.iter().all(|part| plain(part)) {
            return None;
        }
        Some(Self {
            subscription: (*head.get(1)?).to_owned(),
            group: (*head.get(3)?).to_owned(),
            rest: rest.iter().map(|part| (*part).to_owned()).collect(),
        })
    }
    pub(crate) fn segments(&self) -> Vec<&str> {
        let head = ["subscriptions", &self.subscription, "resourceGroups", &self.group, "providers"];
        head.into_iter().chain(self.rest.iter().map(String::as_str)).collect()
    }
    fn starts(&self, namespace: &str, kind: &str) -> bool {
        let is = |at: usize, wanted: &str| self.rest.get(at).is_some_and(|part| part.eq_ignore_ascii_case(wanted));
        is(0, namespace) && is(1, kind)
    }
    /// An identity that machines share says nothing of the machine.
    fn is_identity(&self) -> bool {
        self.starts("Microsoft.ManagedIdentity", "userAssignedIdentities")
    }
    fn same(&self, other: &Self) -> bool {
        let (a, b) = (self.segments(), other.segments());
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
    }
}

impl Named {
    pub(crate) fn is_empty(&self) -> bool {
        [&self.subscription, &self.group, &self.vm, &self.scale_set, &self.resource].iter().all(|text| text.is_empty())
    }
    /// The resource that is named; `None` where only the subscription or group is.
    ///
    /// # Errors
    /// When the names contradict each other or lead elsewhere.
    pub(crate) fn id(&self) -> Result<Option<Id>> {
        if !self.resource.is_empty() {
            let id = Id::parse(&self.resource);
            let id = id.ok_or_else(|| Error::invalid("resource_id is no id of a resource in a resource group"))?;
            let other = |name: &str, own: &str| !name.is_empty() && !name.eq_ignore_ascii_case(own);
            if other(&self.subscription, &id.subscription) || other(&self.group, &id.group) {
                return Err(Error::invalid("resource_id lies in another subscription or resource group"));
            }
            return Ok(Some(id));
        }
        let (kind, name) = match (self.vm.as_str(), self.scale_set.as_str()) {
            ("", "") => return Ok(None),
            (vm, "") => (MACHINES, vm),
            (_, scale_set) => (SCALE_SETS, scale_set),
        };
        let text = format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/{kind}/{name}",
            self.subscription, self.group
        );
        let id = Id::parse(&text).filter(|id| id.rest.len() == 3);
        id.map(Some)
            .ok_or_else(|| Error::invalid("subscription_id, resource_group_name and machine are no plain names"))
    }
    /// Whether the token was made on what is named; `false` where the token does not say on what.
    ///
    /// # Errors
    /// When it was made elsewhere.
    pub(crate) fn check(&self, said: Option<&str>) -> Result<bool> {
        let said = said.and_then(Id::parse).filter(|id| !id.is_identity());
        let Some(said) = said else { return Ok(false) };
        let elsewhere = |name: &str| Error::invalid(format!("{name} does not match the token's claims"));
        let differs = |name: &str, own: &str| !name.is_empty() && !name.eq_ignore_ascii_case(own);
        if differs(&self.subscription, &said.subscription) {
            return Err(elsewhere("subscription_id"));
        }
        if differs(&self.group, &said.group) {
            return Err(elsewhere("resource_group_name"));
        }
        let Some(id) = self.id()? else { return Ok(true) };
        // A machine of a flexible scale set has an id of its own, and does not name its set.
        let in_a_set = id.starts("Microsoft.Compute", SCALE_SETS) && said.starts("Microsoft.Compute", MACHINES);
        if in_a_set || id.same(&said) {
            return Ok(!in_a_set);
        }
        Err(elsewhere(if self.resource.is_empty() { "vm_name or vmss_name" } else { "resource_id" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VM: &str = "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm";

    fn named(vm: &str) -> Named {
        Named { subscription: "S".to_owned(), group: "G".to_owned(), vm: vm.to_owned(), ..Named::default() }
    }

    #[test]
    fn names_are_compared_as_azure_does_and_others_are_refused() {
        assert_eq!(named("VM").check(Some(VM)).ok(), Some(true));
        assert!(named("other").check(Some(VM)).is_err());
        assert!(Named { group: "h".to_owned(), ..named("vm") }.check(Some(VM)).is_err());
        assert_eq!(named("vm").check(None).ok(), Some(false));
        let shared = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
        assert_eq!(named("vm").check(Some(shared)).ok(), Some(false));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_no_name() {
        for name in ["a/../../b", "..", "a/b/c"] {
            assert!(named(name).id().is_err(), "{name}");
        }
        for text in ["", "/", "/subscriptions/s", &VM.replace("/vm", "/.."), "/a/s/b/g/c/n/t/x"] {
            assert!(Id::parse(text).is_none(), "{text}");
        }
    }
}
