//! From the profiles that are to the profiles that evidence makes: which roots stay, which go into which, who moves.

use std::collections::{BTreeMap, BTreeSet};

use crate::endpoint::Eid;
use crate::event::Timestamp;
use crate::identity::ProfileId;

/// A live profile as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    pub pid: ProfileId,
    /// The endpoint whose profile this id means, whatever is linked or undone.
    pub birth: Eid,
    /// When its birth endpoint was first seen: the elder id survives.
    pub since: Timestamp,
    pub members: BTreeSet<Eid>,
}

/// What has to be written. Roots that stay as they are, are not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Profiles that have other members now.
    pub changed: BTreeMap<ProfileId, BTreeSet<Eid>>,
    /// Profiles that went into another one: forwards.
    pub dead: BTreeMap<ProfileId, ProfileId>,
    /// Profiles that are new.
    pub new_profiles: Vec<NewProfile>,
    /// Endpoints to which no pointer and no forward leads any more, with their new profile.
    pub moved: BTreeMap<Eid, ProfileId>,
}

/// A profile for a component that holds the birth endpoint of none.
#[derive(Clone, Debug, PartialEq)]
pub struct NewProfile {
    pub pid: ProfileId,
    pub birth: Eid,
    pub since: Timestamp,
    pub members: BTreeSet<Eid>,
}

/// Components that hold no profile's birth endpoint: each needs an id, and an eldest endpoint to be its birth.
pub fn components_without_profile<'a>(before: &[Before], components: &'a [BTreeSet<Eid>]) -> Vec<&'a BTreeSet<Eid>> {
    components.iter().filter(|component| before.iter().all(|root| !component.contains(&root.birth))).collect()
}

/// Plans the way from profiles to components of the same endpoints.
///
/// A component keeps the eldest of the ids whose birth endpoints it holds, so an id never means somebody else; `founded`
/// are ids and birth endpoints for those that hold none.
pub fn plan(before: &[Before], components: &[BTreeSet<Eid>], founded: &[(ProfileId, Eid, Timestamp)]) -> Plan {
    let mut plan = Plan::default();
    let mut home: BTreeMap<&Eid, ProfileId> = BTreeMap::new();
    for component in components {
        let mut births: Vec<&Before> = before.iter().filter(|root| component.contains(&root.birth)).collect();
        births.sort_by_key(|root| (root.since, &root.pid));
        let pid = match births.split_first() {
            Some((eldest, others)) => {
                for other in others {
                    plan.dead.insert(other.pid.clone(), eldest.pid.clone());
                }
                if eldest.members != *component {
                    plan.changed.insert(eldest.pid.clone(), component.clone());
                }
                eldest.pid.clone()
            }
            None => {
                let Some((pid, birth, since)) = founded.iter().find(|(_, birth, _)| component.contains(birth)) else {
                    continue;
                };
                let (birth, members) = (birth.clone(), component.clone());
                plan.new_profiles.push(NewProfile { pid: pid.clone(), birth, since: *since, members });
                pid.clone()
            }
        };
        home.extend(component.iter().map(|eid| (eid, pid.clone())));
    }
    for root in before {
        let leads_to = plan.dead.get(&root.pid).unwrap_or(&root.pid).clone();
        let moved = root.members.iter().filter_map(|eid| Some((eid, home.get(eid)?)));
        let moved = moved.filter(|(_, home)| **home != leads_to);
        plan.moved.extend(moved.map(|(eid, home)| (eid.clone(), home.clone())));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{Random, eid};

    fn before(n: usize, since: Timestamp, members: &[usize]) -> Before {
        let members = members.iter().map(|n| eid(*n)).collect();
        Before { pid: ProfileId::implied(&eid(n)), birth: eid(n), since, members }
    }

    fn set(members: &[usize]) -> BTreeSet<Eid> {
        members.iter().map(|n| eid(*n)).collect()
    }

    #[test]
    fn of_two_that_become_one_the_elder_id_stays() {
        let roots = [before(1, 20, &[1, 3]), before(2, 10, &[2])];
        let found = plan(&roots, &[set(&[1, 2, 3])], &[]);
        let (one, two) = (roots[0].pid.clone(), roots[1].pid.clone());
        assert_eq!(found.dead, [(one, two.clone())].into());
        assert_eq!(found.changed, [(two, set(&[1, 2, 3]))].into());
        assert_eq!((found.new_profiles, found.moved), (vec![], BTreeMap::new()), "forwards lead there");
    }

    #[test]
    fn who_leaves_gets_a_new_id_and_a_pointer() {
        let roots = [before(1, 20, &[1, 2, 3])];
        let components = [set(&[1]), set(&[2, 3])];
        assert_eq!(components_without_profile(&roots, &components), [&components[1]]);
        let pid = ProfileId::implied(&eid(99));
        let found = plan(&roots, &components, &[(pid.clone(), eid(3), 7)]);
        assert_eq!(found.changed, [(roots[0].pid.clone(), set(&[1]))].into());
        assert_eq!(found.moved, [(eid(2), pid.clone()), (eid(3), pid.clone())].into());
        assert_eq!(found.new_profiles, [NewProfile { pid, birth: eid(3), since: 7, members: set(&[2, 3]) }]);
    }

    /// Following pointers and forwards after the plan leads every endpoint to the profile that has it as a member.
    #[test]
    fn every_endpoint_is_led_to_its_component() {
        for seed in 1..500 {
            let mut random = Random(seed);
            let all: Vec<usize> = (0..8).collect();
            let old = random.grouped(&all, 4);
            let components: Vec<_> = random.grouped(&all, 4).iter().map(|group| set(group)).collect();
            let roots: Vec<Before> = old.iter().map(|group| before(group[0], random.below(3) as u64, group)).collect();
            let founded: Vec<_> = components_without_profile(&roots, &components)
                .iter()
                .enumerate()
                .map(|(n, component)| (ProfileId::implied(&eid(90 + n)), component.first().unwrap().clone(), 0))
                .collect();
            let found = plan(&roots, &components, &founded);
            for component in &components {
                let homes: BTreeSet<ProfileId> =
                    component.iter().map(|eid| target_profile(eid, &roots, &found)).collect();
                assert_eq!(homes.len(), 1, "seed {seed}");
                let pid = homes.first().unwrap();
                let members = found.changed.get(pid).or(found
                    .new_profiles
                    .iter()
                    .find(|new| new.pid == *pid)
                    .map(|new| &new.members));
                let members = members.or(roots.iter().find(|root| root.pid == *pid).map(|root| &root.members));
                assert_eq!(members, Some(component), "seed {seed}");
            }
        }
    }

    fn target_profile(eid: &Eid, roots: &[Before], plan: &Plan) -> ProfileId {
        let pid = roots.iter().find(|root| root.members.contains(eid)).map(|root| root.pid.clone());
        let pid = plan.moved.get(eid).cloned().or(pid).unwrap();
        plan.dead.get(&pid).cloned().unwrap_or(pid)
    }
}
