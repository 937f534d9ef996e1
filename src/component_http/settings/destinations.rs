//! Where to POST: the URLs, and which of them get what is addressed to whom.

use std::collections::BTreeMap;
use std::fmt;

use crate::delivery::{Plan, Target};
use crate::http::Endpoint;
use crate::options::{OptionError, OptionValue, Options};
use crate::stanza::jid;

const URL_OPTION: &str = "component_post_url";
const ROUTES_OPTION: &str = "component_post_routes";

/// The URLs of a component, and who gets what.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// Each of them once.
    endpoints: Vec<Endpoint>,
    /// What gets what no route is for, by place among the endpoints.
    default: Vec<usize>,
    by_localpart: BTreeMap<Box<str>, Vec<usize>>,
}

impl Destinations {
    /// Reads the options.
    ///
    /// # Errors
    /// The first one that is missing or unusable.
    pub fn read(options: &Options) -> Result<Self, OptionError> {
        let mut destinations = Destinations::default();
        let default = options.value(URL_OPTION);
        if default != OptionValue::Absent {
            destinations.default = destinations
                .group(default)
                .map_err(|problem| problem.of(URL_OPTION, None))?;
        }
        destinations.read_routes(options)?;
        if destinations.endpoints.is_empty() {
            let problem = "is missing: set it to the http or https URL of the service";
            return Err(OptionError::new(URL_OPTION, problem));
        }
        Ok(destinations)
    }

    /// All URLs, each of them once.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// What they say of where stanzas go.
    pub(crate) fn plan(&self) -> Plan {
        let targets = self.endpoints.iter().enumerate();
        Plan {
            targets: targets
                .map(|(place, endpoint)| {
                    Target::new(&self.name(place), &endpoint.identity(), endpoint.location())
                })
                .collect(),
            default: self.default.clone(),
            by_localpart: self.by_localpart.clone(),
        }
    }

    /// A URL without what may be a secret, and with its number if that is not enough to tell it from the others.
    fn name(&self, place: usize) -> String {
        let origin = self.endpoints[place].origin();
        let same = self.endpoints.iter().filter(|one| one.origin() == origin);
        if same.count() == 1 {
            origin.to_owned()
        } else {
            format!("{origin} #{}", place + 1)
        }
    }

    fn read_routes(&mut self, options: &Options) -> Result<(), OptionError> {
        let wrong = |problem: String| OptionError::new(ROUTES_OPTION, problem);
        let routes = match options.value(ROUTES_OPTION) {
            OptionValue::Absent => return Ok(()),
            OptionValue::List(items) if items.is_empty() => return Ok(()),
            OptionValue::Table(routes) => routes,
            _ => {
                let problem = "must be a table from localparts to URLs, such as { weather = \
                               \"https://example.com/weather\" }";
                return Err(wrong(problem.to_owned()));
            }
        };
        for (name, value) in routes {
            let localpart = match name.as_str() {
                "" => String::new(),
                name => jid::prepare_node(name)
                    .map_err(|_| wrong(format!("has {name:?}, which is not a localpart")))?,
            };
            let group = self
                .group(value)
                .map_err(|problem| problem.of(ROUTES_OPTION, Some(&name)))?;
            if self.by_localpart.insert(localpart.into(), group).is_some() {
                return Err(wrong(format!("has the localpart {name:?} twice")));
            }
        }
        Ok(())
    }

    /// The places of the URLs that a value names, one or a list.
    fn group(&mut self, value: OptionValue) -> Result<Vec<usize>, Problem> {
        let (urls, is_list) = match value {
            OptionValue::List(urls) => (urls, true),
            one => (vec![one], false),
        };
        let mut group = Vec::new();
        for (index, url) in urls.into_iter().enumerate() {
            let wrong = |text: String| Problem {
                number: is_list.then_some(index + 1),
                text,
            };
            let OptionValue::Text(url) = url else {
                return Err(wrong(format!("must be a string, not {}", url.describe())));
            };
            let endpoint = Endpoint::parse(&url).map_err(|error| wrong(error.to_string()))?;
            let place = self.place(endpoint);
            if group.contains(&place) {
                return Err(wrong("is in the list before".to_owned()));
            }
            group.push(place);
        }
        if group.is_empty() {
            let text = "must name a URL at least".to_owned();
            return Err(Problem { number: None, text });
        }
        Ok(group)
    }

    fn place(&mut self, endpoint: Endpoint) -> usize {
        let known = self.endpoints.iter().position(|known| *known == endpoint);
        known.unwrap_or_else(|| {
            self.endpoints.push(endpoint);
            self.endpoints.len() - 1
        })
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |group: &[usize]| {
            let names = group.iter().map(|place| self.name(*place));
            names.collect::<Vec<_>>().join(", ")
        };
        let default = (!self.default.is_empty()).then(|| format!("to {}", names(&self.default)));
        let routes = self.by_localpart.iter().map(|(localpart, group)| {
            let localpart = match &**localpart {
                "" => "the host itself",
                localpart => localpart,
            };
            format!("for {localpart} to {}", names(group))
        });
        let all: Vec<_> = default.into_iter().chain(routes).collect();
        f.write_str(&all.join("; "))
    }
}

/// What is wrong with a URL, as the rest of a sentence about it.
struct Problem {
    /// Which one it is of a list.
    number: Option<usize>,
    text: String,
}

impl Problem {
    /// The same of the option, or of its part for a localpart.
    fn of(self, option: &'static str, localpart: Option<&str>) -> OptionError {
        let Problem { number, text } = self;
        let problem = match (localpart, number) {
            (None, None) => text,
            (None, Some(number)) => format!("has a list, whose URL number {number} {text}"),
            (Some(name), None) => format!("has a route for {name:?} that {text}"),
            (Some(name), Some(number)) => {
                format!("has a route for {name:?}, whose URL number {number} {text}")
            }
        };
        OptionError::new(option, problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::settings::tests::{list, settings, text};

    fn routes(routes: &[(&str, OptionValue)]) -> OptionValue {
        let routes = routes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        OptionValue::Table(routes.collect())
    }

    #[test]
    fn each_url_is_one_however_often_it_is_named() {
        let both = list(&["https://a.test/1?secret", "https://b.test/"]);
        let settings = settings(&[
            ("component_post_url", both),
            (
                "component_post_routes",
                routes(&[
                    ("", text("https://b.test/")),
                    ("Weather", list(&["https://a.test/2", "https://b.test/"])),
                ]),
            ),
        ]);
        let destinations = &settings.destinations;
        assert_eq!(destinations.endpoints().len(), 3);
        assert_eq!(
            destinations.to_string(),
            "to https://a.test #1, https://b.test; for the host itself to https://b.test; \
             for weather to https://a.test #3, https://b.test"
        );
        let plan = destinations.plan();
        assert_eq!(plan.default, [0, 1]);
        assert_eq!(plan.by_localpart["weather"], [2, 1]);
    }

    #[test]
    fn what_differs_by_password_is_not_one_but_sticks_to_the_same_conversations() {
        let settings = settings(&[(
            "component_post_routes",
            routes(&[("a", text("http://x:1@h/")), ("b", text("http://x:2@h/"))]),
        )]);
        let endpoints = settings.destinations.endpoints();
        assert_ne!(endpoints[1].identity(), endpoints[2].identity());
        assert_eq!(endpoints[1].location(), endpoints[2].location());
    }
}
