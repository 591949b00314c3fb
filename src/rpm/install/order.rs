//! In which order the packages of a transaction come and go: that of rpm, since its database
//! numbers packages in it, and scripts see what came before.
//!
//! In come the steps in the order in which a package manager asks for them; out come all that
//! install, then all that erase, each before what needs it. Where packages need each other, rpm
//! goes by how far each is from what scripts need, and it does with queues whose order ties
//! depends on: so this is its way of doing it, queue by queue. Source: rpm `lib/order.cc`
//! (`rpmtsOrder`), `lib/rpmal.cc` (`rpmalSatisfiesDepend`), and these of the older releases.

use std::collections::{HashMap, VecDeque};

use super::colour::Colours;
use super::element::Element;
use super::{InstallError, Installed, NewPackage, Release, Step};
use crate::package::RelationKind;
use crate::relation::{Flags, Relation, Rich};

/// Relations that say something of the order, in the order in which rpm looks at them.
const KINDS: [RelationKind; 6] = [
    RelationKind::Requires,
    RelationKind::Recommends,
    RelationKind::Suggests,
    RelationKind::Supplements,
    RelationKind::Enhances,
    RelationKind::Order,
];

/// What an installation's scripts need.
const FOR_INSTALLATION: Flags = Flags(
    Flags::SCRIPT_PRE.0
        | Flags::SCRIPT_POST.0
        | Flags::RPMLIB.0
        | Flags::KEYRING.0
        | Flags::PRETRANS.0
        | Flags::POSTTRANS.0,
);
/// What a removal's scripts need.
const FOR_REMOVAL: Flags = Flags(
    Flags::SCRIPT_PREUN.0 | Flags::SCRIPT_POSTUN.0 | Flags::PREUNTRANS.0 | Flags::POSTUNTRANS.0,
);
/// What says nothing of the order…
const UNORDERED: Flags = Flags(
    Flags::RPMLIB.0
        | Flags::CONFIG.0
        | Flags::PRETRANS.0
        | Flags::POSTTRANS.0
        | Flags::PREUNTRANS.0
        | Flags::POSTUNTRANS.0
        | Flags::SCRIPT_VERIFY.0
        | Flags::META.0,
);
/// …unless it is one of these, too.
const ORDERED: Flags = Flags(
    Flags::SCRIPT_PRE.0 | Flags::SCRIPT_POST.0 | Flags::SCRIPT_PREUN.0 | Flags::SCRIPT_POSTUN.0,
);
/// What a relation is for. One that is a prerequisite and for nothing in particular is for the
/// first script that there is.
const PURPOSES: Flags = Flags(
    Flags::INTERPRETER.0
        | ORDERED.0
        | Flags::SCRIPT_VERIFY.0
        | Flags::FIND_REQUIRES.0
        | Flags::RPMLIB.0
        | Flags::PREREQ.0
        | Flags::PRETRANS.0
        | Flags::POSTTRANS.0
        | Flags::PREUNTRANS.0
        | Flags::POSTUNTRANS.0
        | Flags::KEYRING.0
        | Flags::MISSINGOK.0
        | Flags::META.0,
);

/// The steps in rpm's order. `colour` is that of the machine ([`Options`](super::Options)).
///
/// # Errors
/// A step is about a package that is not there; a package's files or relations are damaged.
pub fn order(
    steps: &[Step],
    packages: &[NewPackage],
    installed: &[Installed],
    release: Release,
    colour: u32,
) -> Result<Vec<Step>, InstallError> {
    let elements = Element::of(steps, packages, installed)?;
    let colours: Vec<Colours> =
        elements.iter().map(|element| Colours::of(element.package.header())).collect();
    let side = |install| Side::new(&elements, &colours, install, colour);
    let sides = [side(true), side(false)];
    let mut graph = Graph::new(&elements, &colours, release);
    for (at, element) in elements.iter().enumerate() {
        let side = &sides[usize::from(!element.is_install())];
        for kind in KINDS {
            let relations = element.package.relations(kind).map_err(|source| {
                InstallError::Relations { package: element.package.label(), source }
            })?;
            let weakness = Weakness::of(kind, release);
            for (place, relation) in relations.iter().enumerate() {
                let own = match kind {
                    RelationKind::Requires => colours[at].required(place),
                    _ => 0,
                };
                for (relation, flags) in needed(relation) {
                    let Some(other) = side.provider(&relation, at, own) else { continue };
                    graph.relate(at, other, flags, &weakness);
                }
            }
        }
    }
    let order = graph.order();
    Ok(order.into_iter().filter_map(|at| steps.get(at).copied()).collect())
}

/// The plain relations of one, as far as they say something of the order, each with the flags.
fn needed(relation: &Relation) -> Vec<(Relation, Flags)> {
    let flags = relation.flags();
    if flags.has(UNORDERED) && !flags.has(ORDERED) {
        return Vec::new();
    }
    if !relation.is_rich() {
        return vec![(relation.clone(), flags)];
    }
    let Ok(rich) = Rich::parse(relation.name()) else { return Vec::new() };
    let mut out = Vec::new();
    leaves(&rich, &mut out);
    out.into_iter().map(|one| (one.clone(), flags | one.flags())).collect()
}

// Nesting is bounded by the parser.
fn leaves<'r>(rich: &'r Rich, out: &mut Vec<&'r Relation>) {
    match rich {
        Rich::Plain(relation) => out.push(relation),
        Rich::And(all) | Rich::Or(all) => all.iter().for_each(|one| leaves(one, out)),
        Rich::With(all) => all.iter().take(1).for_each(|one| leaves(one, out)),
        Rich::Without(two) => two.iter().take(1).for_each(|one| leaves(one, out)),
        Rich::If(what) | Rich::Unless(what) => {
            leaves(&what.then, out);
            what.otherwise.iter().for_each(|one| leaves(one, out));
        }
    }
}

/// What a kind of relation is to the order.
struct Weakness {
    /// It turns the order round.
    is_reverse: bool,
    is_of_order: bool,
    /// All relations of the kind may be missing.
    is_weak: bool,
    release: Release,
}

impl Weakness {
    fn of(kind: RelationKind, release: Release) -> Self {
        Self {
            is_reverse: matches!(kind, RelationKind::Supplements | RelationKind::Enhances),
            is_of_order: kind == RelationKind::Order,
            is_weak: kind != RelationKind::Requires,
            release,
        }
    }

    /// What is left of a relation's flags; `None`: it says nothing of the order.
    fn settle(&self, purpose: Flags, own: Flags) -> Option<Flags> {
        if !self.is_weak && !own.has(Flags::MISSINGOK) || self.release < Release::new(4, 17) {
            return Some(purpose);
        }
        match () {
            () if self.release < Release::new(4, 20) => Some(Flags::ANY),
            () if self.is_of_order => Some(purpose),
            () if purpose == Flags::ANY => None,
            () => Some(Flags::ANY),
        }
    }
}

/// What the packages of one side (those that come, or those that go) have for others.
struct Side<'e> {
    colours: &'e [Colours],
    colour: u32,
    provides: HashMap<String, Vec<(usize, Relation)>>,
    /// Elements by the paths of their files.
    files: HashMap<Vec<u8>, Vec<usize>>,
}

impl<'e> Side<'e> {
    fn new(elements: &[Element<'_>], colours: &'e [Colours], install: bool, colour: u32) -> Self {
        let mut side = Self { colours, colour, provides: HashMap::new(), files: HashMap::new() };
        for (at, element) in elements.iter().enumerate() {
            if element.is_install() != install {
                continue;
            }
            for relation in element.package.relations(RelationKind::Provides).into_iter().flatten()
            {
                let name = relation.name().to_owned();
                side.provides.entry(name).or_default().push((at, relation));
            }
            for file in &element.files {
                side.files.entry(file.path()).or_default().push(at);
            }
        }
        side
    }

    /// The element that rpm takes for what meets a relation of the element `own`: one of the
    /// relation's colour, or, where it has none, of the preferred one.
    fn provider(&self, relation: &Relation, own: usize, wanted: u32) -> Option<usize> {
        let mut found: Vec<usize> = match relation.is_path() {
            true => self.files.get(relation.name().as_bytes()).cloned().unwrap_or_default(),
            false => Vec::new(),
        };
        if found.is_empty() {
            let provides = self.provides.get(relation.name()).into_iter().flatten();
            found = provides.filter(|(_, has)| has.overlaps(relation)).map(|(at, _)| *at).collect();
        }
        let wanted = if wanted == 0 { PREFERRED } else { wanted };
        let score = |at: usize| {
            let is_preferred =
                self.colour != 0 && self.colours.get(at).is_some_and(|own| own.package == wanted);
            2 * u32::from(is_preferred) + u32::from(at == own)
        };
        // the first of the best
        let best = found.iter().map(|at| score(*at)).max()?;
        found.into_iter().find(|at| score(*at) == best)
    }
}

/// The colour that is preferred: that of 64-bit files (`%_prefer_color`).
const PREFERRED: u32 = 2;

/// A relation between two elements.
#[derive(Clone, Copy)]
struct Edge {
    to: usize,
    flags: Flags,
}

#[derive(Default)]
struct Node {
    is_install: bool,
    colour: u32,
    /// How many it waits for.
    waits: i64,
    /// How many wait for it.
    awaited: i64,
    /// Those that need it, the latest last.
    needed_by: Vec<Edge>,
    /// Those that it needs, the latest last.
    needs: Vec<Edge>,
    /// Its group of packages that need each other: negative while they are searched, 1 where it
    /// is alone, 0 before, and when it is placed.
    group: i64,
    distance: i64,
}

/// Packages that need each other.
#[derive(Default)]
struct Group {
    /// Relations to packages outside of it that are not placed yet.
    waits: i64,
    members: Vec<usize>,
}

/// The first number of a group with several members.
const FIRST_GROUP: i64 = 2;
const FAR: i64 = i32::MAX as i64;

struct Graph {
    nodes: Vec<Node>,
    groups: Vec<Group>,
    /// What follows in the queue that a node is in; behind the nodes, the queues' heads.
    next: Vec<Option<usize>>,
    release: Release,
    order: Vec<usize>,
}

/// A queue: its head in [`Graph::next`], and whether anything was ever in it.
#[derive(Clone, Copy)]
struct Queue {
    head: usize,
    is_started: bool,
}

impl Graph {
    fn new(elements: &[Element<'_>], colours: &[Colours], release: Release) -> Self {
        let node = |(element, own): (&Element<'_>, &Colours)| Node {
            is_install: element.is_install(),
            colour: own.package,
            ..Node::default()
        };
        Self {
            nodes: elements.iter().zip(colours).map(node).collect(),
            groups: Vec::new(),
            next: vec![None; elements.len() + 3],
            release,
            order: Vec::new(),
        }
    }
}

impl Graph {
    fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    /// Records that `p` has a relation to `q`.
    fn relate(&mut self, p: usize, q: usize, flags: Flags, weakness: &Weakness) {
        if p == q {
            return;
        }
        let is_install = self.node(p).is_install;
        let (mask, first) = match is_install {
            true => (FOR_INSTALLATION, Flags::SCRIPT_PRE),
            false => (FOR_REMOVAL, Flags::SCRIPT_PREUN),
        };
        let mut purpose = Flags(flags.0 & mask.0);
        if flags.0 & PURPOSES.0 == Flags::PREREQ.0 {
            purpose = purpose | first;
        }
        let Some(purpose) = weakness.settle(purpose, flags) else { return };
        // Removals are installations the other way round.
        let is_reversed = weakness.is_reverse == is_install;
        let (p, q) = if is_reversed { (q, p) } else { (p, q) };
        // What is related already gets the flags, too.
        let latest = |edges: &[Edge]| edges.last().is_some_and(|edge| edge.to == p);
        let known = match is_reversed {
            false => latest(&self.node(q).needed_by),
            true => latest(&self.node(q).needs),
        };
        if known {
            let edges = &mut self.nodes[q];
            let edges = if is_reversed { &mut edges.needs } else { &mut edges.needed_by };
            edges.last_mut().into_iter().for_each(|edge| edge.flags = edge.flags | purpose);
            let edges = &mut self.nodes[p];
            let edges = if is_reversed { &mut edges.needed_by } else { &mut edges.needs };
            let edge = edges.iter_mut().rev().find(|edge| edge.to == q);
            edge.into_iter().for_each(|edge| edge.flags = edge.flags | purpose);
            return;
        }
        self.nodes[p].waits += 1;
        self.nodes[q].needed_by.push(Edge { to: p, flags: purpose });
        self.nodes[q].awaited += 1;
        self.nodes[p].needs.push(Edge { to: q, flags: purpose });
    }

    /// Puts a node into a queue: before those that no more wait for. On the way in, what has not
    /// the preferred colour goes behind; on the way out, what has it.
    fn enqueue(&mut self, at: usize, queue: &mut Queue) {
        if !queue.is_started {
            queue.is_started = true;
            self.next[queue.head] = Some(at);
            return;
        }
        let node = self.node(at);
        let goes_behind = node.colour != 0 && (node.colour != PREFERRED) == node.is_install;
        let mut before = queue.head;
        while let Some(other) = self.next[before].map(|at| (at, self.node(at))) {
            let is_passed = goes_behind && node.colour != other.1.colour;
            if !is_passed && other.1.awaited <= node.awaited {
                break;
            }
            before = other.0;
        }
        self.next[at] = self.next[before];
        self.next[before] = Some(at);
    }

    /// Tarjan's search for packages that need each other, by those that need a node.
    fn search(&mut self, at: usize, index: &mut i64, stack: &mut Vec<usize>) {
        *index -= 1;
        self.nodes[at].group = *index;
        self.nodes[at].distance = *index;
        stack.push(at);
        for edge in (0..self.node(at).needed_by.len()).rev() {
            let other = self.node(at).needed_by[edge].to;
            let seen = self.node(other).group;
            if seen > 0 {
                continue;
            }
            let reached = match seen {
                0 => {
                    self.search(other, index, stack);
                    self.node(other).distance
                }
                _ => seen,
            };
            let node = &mut self.nodes[at];
            node.distance = node.distance.max(reached);
        }
        if self.node(at).distance != self.node(at).group {
            return;
        }
        if stack.last() == Some(&at) {
            stack.pop();
            self.nodes[at].group = 1;
            return;
        }
        let start = stack.iter().rposition(|one| *one == at).unwrap_or_default();
        let mut members = stack.split_off(start);
        if self.release >= Release::new(5, 0) {
            // since 6 they are taken from the stack's top
            members.reverse();
        }
        let number = self.groups.len() as i64;
        for member in &members {
            self.nodes[*member].group = number;
        }
        let mut waits = 0;
        for member in &members {
            let node = self.node(*member);
            waits += node.waits;
            let inside = node
                .needed_by
                .iter()
                .filter(|edge| edge.to != *member && self.node(edge.to).group == number);
            waits -= inside.count() as i64;
        }
        self.groups.push(Group { waits, members });
    }

    /// Takes a node out of its queue and puts it into the order; those that have waited for it
    /// alone follow in the same queue, or, where they are of another group, in the outer one.
    fn place(&mut self, at: usize, own: &mut Queue, mut outer: Option<&mut Queue>) {
        self.order.push(at);
        let group = self.node(at).group;
        for edge in (0..self.node(at).needed_by.len()).rev() {
            let other = self.node(at).needed_by[edge].to;
            let its = self.node(other).group;
            if its == 0 || other == at {
                continue;
            }
            self.nodes[other].waits -= 1;
            if self.node(other).waits == 0 {
                match &mut outer {
                    Some(outer) if group > 1 && group != its => self.enqueue(other, outer),
                    _ => self.enqueue_behind(other, at, own),
                }
            }
            if its < FIRST_GROUP || its == group {
                continue;
            }
            let Some(group) = self.groups.get_mut(its as usize) else { continue };
            group.waits -= 1;
            if group.waits == 0 {
                match &mut outer {
                    Some(outer) => self.enqueue(other, outer),
                    None => self.enqueue_behind(other, at, own),
                }
            }
        }
        self.nodes[at].group = 0;
    }

    /// Puts a node into what is left of a queue behind `first`.
    fn enqueue_behind(&mut self, at: usize, first: usize, queue: &mut Queue) {
        let mut rest = Queue { head: first, is_started: queue.is_started };
        self.enqueue(at, &mut rest);
        queue.is_started = rest.is_started;
    }

    /// How far the members of a group are from one that is needed by a script.
    fn measure(&mut self, number: usize) {
        let group = number as i64;
        let members = self.groups[number].members.clone();
        let mut queue = VecDeque::new();
        for &member in &members {
            let for_script =
                |edge: &&Edge| edge.flags != Flags::ANY && self.node(edge.to).group == group;
            let found = self.node(member).needs.iter().rev().find(for_script).copied();
            self.nodes[member].distance = match found {
                None => FAR,
                Some(edge) if edge.to == member => FAR / 2,
                Some(_) => {
                    queue.push_back(member);
                    0
                }
            };
        }
        if queue.is_empty() {
            queue.extend(members.into_iter().filter(|at| self.node(*at).distance != FAR));
        }
        while let Some(at) = queue.pop_front() {
            let distance = self.node(at).distance + 1;
            for edge in (0..self.node(at).needs.len()).rev() {
                let other = self.node(at).needs[edge].to;
                let node = &mut self.nodes[other];
                if node.group == group && node.distance > distance {
                    node.distance = distance;
                    queue.push_back(other);
                }
            }
        }
    }

    /// Places all members of a group, the one first that scripts need least.
    fn place_group(&mut self, first: usize, queue: &mut Queue) {
        let Ok(number) = usize::try_from(self.node(first).group) else { return };
        let nodes = self.nodes.len();
        let (inner_head, outer_head) = (nodes + 1, nodes + 2);
        self.next[outer_head] = self.next[first].take();
        self.measure(number);
        let mut outer = Queue { head: outer_head, is_started: queue.is_started };
        loop {
            let members = self.groups[number].members.iter().copied();
            let waiting = members.filter(|at| self.node(*at).group != 0);
            // the last of the farthest
            let Some(best) = waiting.max_by_key(|at| self.node(*at).distance) else { break };
            let mut inner = Queue { head: inner_head, is_started: false };
            self.enqueue(best, &mut inner);
            let mut at = Some(best);
            while let Some(one) = at {
                self.place(one, &mut inner, Some(&mut outer));
                at = self.next[one];
            }
        }
        queue.is_started = outer.is_started;
        self.next[first] = self.next[outer_head].take();
    }

    /// All elements: those that install, then those that erase.
    fn order(mut self) -> Vec<usize> {
        let nodes = self.nodes.len();
        self.groups = (0..FIRST_GROUP).map(|_| Group::default()).collect();
        let (mut index, mut stack) = (0, Vec::new());
        for at in 0..nodes {
            if self.node(at).group == 0 {
                self.search(at, &mut index, &mut stack);
            }
        }
        for installs in [true, false] {
            let mut queue = Queue { head: nodes, is_started: false };
            self.next[nodes] = None;
            for at in 0..nodes {
                if self.node(at).is_install == installs && self.node(at).waits == 0 {
                    self.next[at] = None;
                    self.enqueue(at, &mut queue);
                }
            }
            for number in FIRST_GROUP as usize..self.groups.len() {
                let group = &self.groups[number];
                let Some(&member) = group.members.first() else { continue };
                if group.waits == 0 && self.node(member).is_install == installs {
                    self.enqueue(member, &mut queue);
                }
            }
            let mut at = self.next[nodes];
            while let Some(one) = at {
                match self.node(one).group >= FIRST_GROUP {
                    true => self.place_group(one, &mut queue),
                    false => self.place(one, &mut queue, None),
                }
                at = self.next[one];
            }
        }
        self.order
    }
}
