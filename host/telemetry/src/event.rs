//! What an event is: the macro that makes a type of each entry of the list, and its description.

use std::fmt::Display;

use tracing::{Level, Value};

/// An event, as documentation, metrics and tests read it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Never changes: metrics and queries find the event by it.
    pub id: &'static str,
    pub level: Level,
    /// The words of the line. They may be improved.
    pub message: &'static str,
    /// When it is written.
    pub doc: &'static str,
    pub fields: &'static [Field],
    /// The metric that counts such lines.
    pub count: Option<Count>,
    /// The name of its type.
    pub type_name: &'static str,
}

/// A field of an event.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    /// Of a field that is also a metric.
    pub unit: Option<Unit>,
}

/// The unit of a metric, as CloudWatch calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    Microseconds,
    Milliseconds,
}

/// A metric that counts lines.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    pub metric: &'static str,
    pub of: Counted,
}

/// How much one line adds to the metric that counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// One.
    Line,
    /// One, and as many more as this field says: lines that were not written.
    LinePlus(&'static str),
    /// As many as this field says.
    By(&'static str),
}

impl Unit {
    /// CloudWatch's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Microseconds => "Microseconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

impl Described {
    /// Every metric that the event's lines make, with its unit.
    pub fn metrics(&self) -> impl Iterator<Item = (&'static str, Unit)> {
        let counted = self.count.map(|count| (count.metric, Unit::Count));
        counted.into_iter().chain(self.fields.iter().filter_map(|field| Some((field.name, field.unit?))))
    }
}

/// Something that is shown as text.
pub(crate) type DisplayRef<'a> = &'a dyn Display;

/// What a field may hold.
pub(crate) trait Recorded {
    fn recorded(&self) -> impl Value + '_;
}

impl Recorded for DisplayRef<'_> {
    fn recorded(&self) -> impl Value + '_ {
        tracing::field::display(self)
    }
}

impl Recorded for &str {
    fn recorded(&self) -> impl Value + '_ {
        *self
    }
}

impl Recorded for bool {
    fn recorded(&self) -> impl Value + '_ {
        *self
    }
}

impl<T: Recorded> Recorded for Option<T> {
    fn recorded(&self) -> impl Value + '_ {
        self.as_ref().map(T::recorded)
    }
}

/// What a field may hold that is a metric.
pub(crate) trait Measured: Recorded {}

impl<T: Measured> Measured for Option<T> {}

macro_rules! numbers {
    ($($number:ty)+) => {$(
        impl Recorded for $number {
            fn recorded(&self) -> impl Value + '_ {
                *self
            }
        }
        impl Measured for $number {}
    )+};
}

numbers! { u16 u32 u64 usize f64 }

/// Makes a type of each entry, and the list of all. An entry, with `LEVEL` one of tracing's:
///
/// ```text
/// /// When it is written.
/// LEVEL Name<'a> "id": "message" { field: Type, field_and_metric: Type as Unit }
///     counts metric
/// ```
///
/// `counts metric` adds one for each line, `counts metric plus field` also what the field says, and `counts metric by field`
/// only that.
macro_rules! events {
    ($(
        $(#[doc = $doc:literal])+
        $level:ident $name:ident $(<$life:lifetime>)? $id:literal: $message:literal
        { $($field:ident: $type:ty $(as $unit:ident)?),* $(,)? }
        $(counts $metric:ident $($how:ident $others:ident)?)?
    )+) => {
        $(
            $(#[doc = $doc])+
            #[must_use = "an event is in the log once it is emitted"]
            pub struct $name $(<$life>)? {
                $(pub $field: $type),*
            }

            impl $(<$life>)? $name $(<$life>)? {
                pub const DESCRIBED: $crate::Described = $crate::Described {
                    id: $id,
                    level: tracing::Level::$level,
                    message: $message,
                    doc: concat!($($doc),+),
                    fields: &[$($crate::Field { name: stringify!($field), unit: unit!($($unit)?) }),*],
                    count: count!($($metric $($how $others)?)?),
                    type_name: stringify!($name),
                };

                /// Writes the line.
                pub fn emit(self) {
                    // That a metric is a number, and that a count is of a field of the event.
                    $($( let _: (&dyn Fn($type), _) = (&measured::<$type>, $crate::Unit::$unit); )?)*
                    $($( let _ = &self.$others; )?)?
                    tracing::event!(
                        name: $id,
                        tracing::Level::$level,
                        $($field = $crate::event::Recorded::recorded(&self.$field),)*
                        $message
                    );
                }
            }
        )+

        /// Every event, in the order of the list.
        pub const ALL: &[$crate::Described] = &[$($name::DESCRIBED),+];
    };
}

macro_rules! unit {
    () => {
        None
    };
    ($unit:ident) => {
        Some($crate::Unit::$unit)
    };
}

macro_rules! count {
    () => {
        None
    };
    ($metric:ident) => {
        count!(@ $metric, $crate::Counted::Line)
    };
    ($metric:ident plus $others:ident) => {
        count!(@ $metric, $crate::Counted::LinePlus(stringify!($others)))
    };
    ($metric:ident by $others:ident) => {
        count!(@ $metric, $crate::Counted::By(stringify!($others)))
    };
    (@ $metric:ident, $of:expr) => {
        Some($crate::Count { metric: stringify!($metric), of: $of })
    };
}

/// Compiles for numbers only.
pub(crate) fn measured<T: Measured>(_: T) {}

pub(crate) use {count, events, unit};
