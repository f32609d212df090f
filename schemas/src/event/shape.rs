//! What a stored struct is made of: every field with its type, every variant with its place, found
//! by walking values of it.

use super::frozen::Viewer;
use serde::ser::{
    Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::collections::BTreeMap;
use std::fmt::Debug;

type Error = serde::de::value::Error;

/// Place → type, as the values seen so far tell.
#[derive(Default)]
pub(super) struct Shape(BTreeMap<String, String>);

impl Shape {
    /// By place, such as `.tries[].gateway`; the whole is `self`.
    pub(super) fn lines(self) -> BTreeMap<String, String> {
        self.0
    }

    fn note(&mut self, place: &str, what: impl Into<String>) {
        let place = if place.is_empty() { "self" } else { place };
        self.0.insert(place.to_owned(), what.into());
    }
}

impl Viewer for Shape {
    fn see<T: Serialize + Debug>(&mut self, event: &T) {
        let walk = Walk { shape: self, place: String::new(), fields: Vec::new() };
        event.serialize(walk).expect("events are made of what this serializer knows");
    }
}

struct Walk<'a> {
    shape: &'a mut Shape,
    place: String,
    /// Of the struct whose parts are walked.
    fields: Vec<&'static str>,
}

impl<'a> Walk<'a> {
    fn leaf(self, what: &str) -> Result<(), Error> {
        self.shape.note(&self.place, what);
        Ok(())
    }

    fn compound(self, what: String) -> Result<Self, Error> {
        self.shape.note(&self.place, what);
        Ok(self)
    }

    fn variant(self, name: &str, index: u32, variant: &str) -> Self {
        self.shape.note(&self.place, format!("enum {name}"));
        let place = format!("{}::{variant}", self.place);
        self.shape.note(&place, format!("variant {index}"));
        Self { place, ..self }
    }

    fn part<T: ?Sized + Serialize>(&mut self, suffix: &str, value: &T) -> Result<(), Error> {
        let place = format!("{}{suffix}", self.place);
        value.serialize(Walk { shape: self.shape, place, fields: Vec::new() })
    }
}

macro_rules! leaves {
    ($( $name:ident: $type:ty = $what:literal ),*) => { $(
        fn $name(self, _: $type) -> Result<(), Error> {
            self.leaf($what)
        }
    )* };
}

impl Serializer for Walk<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    leaves! {
        serialize_bool: bool = "bool",
        serialize_i8: i8 = "i8", serialize_i16: i16 = "i16", serialize_i32: i32 = "i32",
        serialize_i64: i64 = "i64", serialize_u8: u8 = "u8", serialize_u16: u16 = "u16",
        serialize_u32: u32 = "u32", serialize_u64: u64 = "u64", serialize_f32: f32 = "f32",
        serialize_f64: f64 = "f64", serialize_char: char = "char", serialize_str: &str = "text",
        serialize_bytes: &[u8] = "bytes", serialize_unit_struct: &'static str = "unit"
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.leaf("option")
    }

    fn serialize_some<T: ?Sized + Serialize>(mut self, value: &T) -> Result<(), Error> {
        self.shape.note(&self.place, "option");
        self.part("?", value)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.leaf("unit")
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.variant(name, index, variant);
        Ok(())
    }

    // Stored as what is in it.
    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(name, index, variant).part(".0", value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        self.compound("list".to_owned())
    }

    fn serialize_tuple(self, length: usize) -> Result<Self, Error> {
        self.compound(format!("{length} of"))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Self, Error> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self.variant(name, index, variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(Error::custom("events hold no map"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self.variant(name, index, variant))
    }

    // As the stored form: some types write themselves otherwise for people.
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The parts of a list or a tuple: all of one type, as those of events are.
macro_rules! elements {
    ($( $compound:ident :: $part:ident ),*) => { $(
        impl $compound for Walk<'_> {
            type Ok = ();
            type Error = Error;

            fn $part<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
                self.part("[]", value)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )* };
}

/// The parts of a struct, by name and in their order.
macro_rules! fields {
    ($( $compound:ident ),*) => { $(
        impl $compound for Walk<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.fields.push(name);
                self.part(&format!(".{name}"), value)
            }

            fn end(self) -> Result<(), Error> {
                let fields = self.fields.join(", ");
                let place = format!("{}{{}}", self.place);
                self.shape.note(&place, fields);
                Ok(())
            }
        }
    )* };
}

elements! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field, SerializeTupleVariant::serialize_field
}
fields! { SerializeStruct, SerializeStructVariant }
