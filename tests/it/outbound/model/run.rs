//! One run of one seed: who acts, in which order, and when it is over.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::mutants::Mutant;
use super::world::{Actor, World};

/// Steps after which nothing fails any more.
const CALM_AFTER: u64 = 600;
/// Steps after which a run should have come to rest.
const STEPS_MAX: u64 = 8_000;

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    /// When it goes on.
    at: u64,
    /// It never ends.
    is_daemon: bool,
}

/// What happened in a run.
pub struct Done {
    pub wrong: Option<String>,
    pub left: u64,
    pub steps: u64,
    story: Vec<String>,
}

/// What happened in the run of a seed, in lines.
pub fn story(seed: u64, without: Option<Mutant>) -> String {
    play(seed, without, Some(Vec::new())).story.join("\n")
}

pub fn run(seed: u64, without: Option<Mutant>) -> Done {
    play(seed, without, None)
}

fn play(seed: u64, without: Option<Mutant>, story: Option<Vec<String>>) -> Done {
    let world = Rc::new(RefCell::new(World { story, ..World::new(seed, without) }));
    let mut tasks = tasks(&world);
    for steps in 0..STEPS_MAX {
        let chosen = next(&mut world.borrow_mut(), &tasks, steps);
        let Some(chosen) = chosen else { return finish(&mut world.borrow_mut(), steps) };
        step(&world, &mut tasks, chosen);
    }
    let mut w = world.borrow_mut();
    w.fail("never came to rest".to_owned());
    finish(&mut w, STEPS_MAX)
}

/// Who acts next; nobody, if the run is over.
fn next(w: &mut World, tasks: &[Task], steps: u64) -> Option<usize> {
    let acting = tasks.iter().any(|task| !task.is_daemon);
    w.calm |= !acting || steps > CALM_AFTER;
    let is_over = w.facts.wrong.is_some() || !acting && w.is_at_rest();
    (!is_over).then(|| choose(w, tasks))
}

fn finish(w: &mut World, steps: u64) -> Done {
    if w.facts.wrong.is_none() {
        w.check_end();
    }
    Done { wrong: w.facts.wrong.take(), left: w.facts.left, steps, story: w.story.take().unwrap_or_default() }
}

/// One that can go on; if there is none, the clock moves to the next.
fn choose(w: &mut World, tasks: &[Task]) -> usize {
    let next = tasks.iter().map(|task| task.at).min().unwrap_or(w.now);
    w.now = w.now.max(next) + u64::from(w.random.chance(15));
    let ready = tasks.iter().filter(|task| task.at <= w.now).count() as u64;
    let nth = w.random.below(ready) as usize;
    let mut ready = tasks.iter().enumerate().filter(|(_, task)| task.at <= w.now);
    ready.nth(nth).map_or(0, |(index, _)| index)
}

fn step(world: &RefCell<World>, tasks: &mut Vec<Task>, chosen: usize) {
    world.borrow_mut().tick += 1;
    let ready = tasks[chosen].future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    world.borrow_mut().check_step();
    if ready { drop(tasks.swap_remove(chosen)) } else { tasks[chosen].at = world.borrow().sleep }
}

impl World {
    fn is_at_rest(&self) -> bool {
        let nothing_waits = self.queue.is_empty() && self.turns.is_empty() && self.provider.reports.is_empty();
        nothing_waits && self.busy == 0 && self.folded == self.stream.len() && self.refilled == self.epoch
    }
}

/// How an actor begins.
type Begin = fn(Actor) -> Task;

/// Who acts in this run. Some act always, some in some runs.
fn tasks(world: &Rc<RefCell<World>>) -> Vec<Task> {
    let number = Cell::new(0);
    let chance = |percent: u64| world.borrow_mut().random.chance(percent);
    let actor = || {
        number.set(number.get() + 1);
        let number = number.get();
        Actor { world: Rc::clone(world), number, skew: 0, epoch: Cell::new(1), until: Cell::new(u64::MAX) }
    };
    let worker = || Actor { skew: world.borrow_mut().random.below(2), ..actor() };
    let mut tasks = vec![daemon(actor().fold()), daemon(actor().report()), daemon(actor().answer_turns())];
    tasks.extend((0..2 + u64::from(chance(50))).map(|_| daemon(worker().work())));
    tasks.push(once(actor().write()));
    let without = world.borrow().without;
    let erases = if without.is_some_and(Mutant::is_of_erasure) { 100 } else { 30 };
    let deploys = if without.is_some_and(Mutant::is_of_versions) { 100 } else { 30 };
    let some: [(u64, Begin); 7] = [
        (70, |actor| once(actor.post_some())),
        (40, |actor| once(actor.manage())),
        (30, |actor| once(actor.answer_elsewhere())),
        (40, |actor| once(actor.cancel_some())),
        (40, |actor| once(actor.send_again())),
        (deploys, |actor| once(actor.deploy())),
        (erases, |actor| once(actor.erase())),
    ];
    tasks.extend(some.into_iter().filter(|(percent, _)| chance(*percent)).map(|(_, task)| task(actor())));
    tasks
}

fn daemon(future: impl Future<Output = ()> + 'static) -> Task {
    Task { is_daemon: true, ..once(future) }
}

fn once(future: impl Future<Output = ()> + 'static) -> Task {
    Task { future: Box::pin(future), at: 0, is_daemon: false }
}
