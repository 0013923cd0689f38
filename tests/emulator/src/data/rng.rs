//! Deterministic random numbers and words.

use crate::store::mix;

/// A sequence of numbers that depends on its seed alone (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A sequence for one thing among many: the same seed and name give the same numbers.
    pub(crate) fn new(seed: u64, name: &str, number: u64) -> Self {
        let named = name.bytes().fold(seed, |h, b| mix(h ^ u64::from(b)));
        Self(mix(named ^ mix(number)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `n` (which is at least 1).
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // The bias of a remainder is far below what sample data could show.
        self.next() % n.max(1)
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as u64) as i64
    }

    /// True once in `n`.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T
    where
        &'a T: Default,
    {
        let at = self.below(list.len() as u64) as usize;
        list.get(at).copied().unwrap_or_default()
    }

    /// A UUID's text.
    pub(crate) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 50) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }

    /// Sentences of words, at least `size` bytes long, with `escape` between some.
    pub(crate) fn text(&mut self, out: &mut String, size: usize) {
        let end = out.len() + size;
        while out.len() < end {
            out.push_str(self.pick(WORDS));
            out.push(if self.once_in(9) { ',' } else { ' ' });
        }
        out.pop();
        out.push('.');
    }

    /// A few words with capitals.
    pub(crate) fn title(&mut self) -> String {
        format!("{} {} {}", self.pick(ADJECTIVES), self.pick(MATERIALS), self.pick(NOUNS))
    }
}

pub(crate) const WORDS: &[&str] = &[
    "light",
    "sturdy",
    "made",
    "from",
    "the",
    "finest",
    "wool",
    "with",
    "care",
    "for",
    "daily",
    "use",
    "and",
    "travel",
    "a",
    "soft",
    "touch",
    "café",
    "crème",
    "naïve",
    "déjà",
    "vu",
    "größer",
    "schön",
    "Straße",
    "über",
    "señor",
    "mañana",
    "corazón",
    "простой",
    "хороший",
    "качество",
    "日本製",
    "丈夫な",
    "品質",
    "手工",
    "경량",
    "내구성",
    "washable",
    "durable",
    "one",
    "size",
    "fits",
    "most",
    "comes",
    "in",
    "three",
    "colours",
    "✓",
    "—",
    "½",
    "€",
    "warranty",
    "included",
    "bestseller",
    "since",
    "1987",
    "🙂",
    "🎁",
];
pub(crate) const ADJECTIVES: &[&str] = &[
    "Light",
    "Heavy",
    "Classic",
    "Modern",
    "Rustic",
    "Élégant",
    "Größerer",
    "Sleek",
    "Handmade",
    "Organic",
    "Vintage",
    "Compact",
    "Premium",
    "Eco",
    "Quiet",
    "Bright",
];
pub(crate) const MATERIALS: &[&str] = &[
    "Cotton", "Steel", "Oak", "Linen", "Ceramic", "Granite", "Wool", "Bamboo", "Copper", "Glass", "Leather", "Cork",
    "Marble", "Paper", "Rubber", "Silk",
];
pub(crate) const NOUNS: &[&str] = &[
    "Chair",
    "Lamp",
    "Bag",
    "Mug",
    "Table",
    "Shirt",
    "Watch",
    "Bottle",
    "Pillow",
    "Kettle",
    "Jacket",
    "Notebook",
    "Wallet",
    "Bowl",
    "Hat",
    "Gloves",
    "Teekännchen",
    "Crêpière",
    "Piñata",
];
pub(crate) const FIRST_NAMES: &[&str] = &[
    "Anna",
    "Björn",
    "Chloé",
    "Diego",
    "Eva",
    "Fatima",
    "Grace",
    "Håkon",
    "Inés",
    "Jürgen",
    "Kenji",
    "Léa",
    "Marek",
    "Noor",
    "Olga",
    "Paul",
    "Quynh",
    "Rosa",
    "Søren",
    "Tomás",
    "Uma",
    "Víctor",
    "Wei",
    "Xenia",
    "Yusuf",
    "Zoë",
    "O'Brien-Jane",
    "陽菜",
];
pub(crate) const LAST_NAMES: &[&str] = &[
    "Andersen",
    "Böhm",
    "Castillo",
    "Dupont",
    "Evans",
    "Fernández",
    "García",
    "Hansen",
    "Ito",
    "Jovanović",
    "Kowalski",
    "López",
    "Müller",
    "Nguyễn",
    "O'Connor",
    "Petrov",
    "Quinn",
    "Rossi",
    "Smith",
    "Tanaka",
    "Ünal",
    "Vasquez",
    "Weiß",
    "Xu",
    "Yılmaz",
    "Zimmermann",
];
pub(crate) const CITIES: &[(&str, &str, &str, &str, &str)] = &[
    ("Austin", "Texas", "78701", "United States", "US"),
    ("Köln", "Nordrhein-Westfalen", "50667", "Germany", "DE"),
    ("São Paulo", "São Paulo", "01310-100", "Brazil", "BR"),
    ("Sydney", "New South Wales", "2000", "Australia", "AU"),
    ("Montréal", "Quebec", "H2Y 1C6", "Canada", "CA"),
    ("東京", "東京都", "100-0001", "Japan", "JP"),
    ("London", "England", "SW1A 1AA", "United Kingdom", "GB"),
    ("Zürich", "Zürich", "8001", "Switzerland", "CH"),
];

/// Ids in ascending order with holes: about one in twenty is missing, and now and then a whole range.
#[derive(Debug)]
pub(crate) struct Ids {
    next: i64,
    rng: Rng,
    hole_every: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64, name: &str, first: i64, hole_every: u64) -> Self {
        Self { next: first, rng: Rng::new(seed, name, 0), hole_every }
    }
}

impl Iterator for Ids {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let id = self.next;
        self.next += 1;
        if self.rng.once_in(22) {
            self.next += self.rng.between(1, 2);
        }
        if self.hole_every > 0 && self.rng.once_in(self.hole_every) {
            self.next += self.rng.between(self.hole_every as i64 / 8, self.hole_every as i64 / 2).max(1);
        }
        Some(id)
    }
}
