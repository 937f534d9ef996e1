//! Every request gets exactly one answer, whatever resources, Prosody and the clock do.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::choice::Strategy;
use super::testing::*;
use super::*;

/// A proxy that is played with at random, and what came of each request.
struct Game {
    fixture: Fixture,
    rng: StdRng,
    /// All that was ever sent to a resource, with the type of the request.
    sent: Vec<(&'static str, Addresses)>,
    types: HashMap<String, &'static str>,
    answers: HashMap<String, usize>,
}

impl Game {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut fixture = Fixture::trying(&["1", "2", "3"]);
        let strategy = Strategy::ALL.choose(&mut rng).copied();
        fixture.proxy.settings.strategy = strategy.expect("there are strategies");
        fixture.proxy.bounds.requests = 30;
        fixture.proxy.bounds.of_one_requester = 25;
        Game {
            fixture,
            rng,
            sent: Vec::new(),
            types: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    fn play(&mut self) {
        match self.rng.random_range(0..10) {
            0..3 => self.ask(),
            3..5 => self.answer(),
            5 => self.bounce(),
            6..8 => self.change_presence(),
            8 => {
                let later = self.rng.random_range(0..20);
                self.fixture.tick(later);
            }
            _ => self.fail_to_send(),
        }
        self.take_effects();
    }

    fn ask(&mut self) {
        let type_ = if self.rng.random() { "get" } else { "set" };
        let id = self.types.len().to_string();
        self.types.insert(id.clone(), type_);
        if let Some(sent) = self.fixture.iq(ROMEO, HOST, type_, &id) {
            self.sent.push((type_, sent));
        }
    }

    fn any_sent(&mut self) -> Option<(&'static str, Addresses)> {
        self.sent.choose(&mut self.rng).cloned()
    }

    fn answer(&mut self) {
        let type_ = if self.rng.random() { "result" } else { "error" };
        if let Some((_, sent)) = self.any_sent()
            && let Some(back) = self.fixture.answer(&sent, type_)
        {
            assert_eq!(back, addresses(ROMEO, HOST, &back.id));
            *self.answers.entry(back.id).or_default() += 1;
        }
    }

    fn bounce(&mut self) {
        let unreachable = if self.rng.random() {
            Unreachable::Resource
        } else {
            Unreachable::Server
        };
        if let Some((_, sent)) = self.any_sent() {
            self.fixture.undeliverable(&sent, unreachable);
        }
    }

    fn change_presence(&mut self) {
        let resource = [ONE, TWO, THREE][self.rng.random_range(0..3)];
        let type_ = self.rng.random::<bool>().then_some("unavailable");
        self.fixture.presence(resource, HOST, type_);
    }

    fn fail_to_send(&mut self) {
        if let Some((type_, sent)) = self.any_sent() {
            self.fixture.proxy.unsent(type_, sent);
        }
    }

    fn take_effects(&mut self) {
        for effect in self.fixture.take_effects() {
            match effect {
                Effect::Send(element) if element.name == "iq" => {
                    let id = element.attr("id").expect("an error has an id").to_owned();
                    *self.answers.entry(id).or_default() += 1;
                }
                Effect::SendAgain(_, sent) => {
                    assert_eq!(self.types[&sent.id], "get");
                    self.sent.push(("get", sent));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_request_gets_exactly_one_answer() {
    for seed in 0..200 {
        let mut game = Game::new(seed);
        for _ in 0..400 {
            game.play();
            let proxy = &game.fixture.proxy;
            let open = game.types.len() - game.answers.len();
            assert_eq!(proxy.pending.len(), open, "seed {seed}");
            assert!(proxy.pending.attempts() >= open);
        }
        game.fixture.proxy.close();
        game.take_effects();
        assert_eq!(game.answers.len(), game.types.len(), "seed {seed}");
        assert!(game.answers.values().all(|answers| *answers == 1));
        let pending = &game.fixture.proxy.pending;
        assert_eq!((pending.len(), pending.attempts()), (0, 0));
        assert_eq!(game.fixture.outstanding(), [0, 0]);
    }
}
