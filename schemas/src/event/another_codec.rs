//! The stored format is ours to keep, the crate that writes it is replaceable: every sample, written
//! once more with the primitives of another implementation (`wincode`, variable-length integers),
//! gives the same bytes. bincode is unmaintained (RUSTSEC-2025-0141); this is the way out, tried
//! at every test.

use super::frozen::{Viewer, everything_ever_written, hex};
use super::to_bytes;
use serde::ser::{Error as _, Impossible, Serialize, Serializer};
use std::fmt::Debug;
use wincode::config::{Configuration, serialize};

#[test]
fn another_codec_writes_the_same_bytes() {
    for written in everything_ever_written() {
        let mut theirs = Bytes(Vec::new());
        written.show(&mut theirs);
        assert_eq!(hex(&theirs.0), hex(&written.body), "{}", written.means);
    }
}

#[test]
fn another_codec_agrees_on_whole_values_too() {
    let plain = (7_u8, String::from("carrier"), Some(String::from("+1")), 70_000_u32);
    let list = vec![(Some(-1_i64), [1_u8; 16]), (None, [2; 16])];
    let whole = (plain, list, u64::MAX, 251_u16, true);
    let theirs = serialize(&whole, Configuration::default().with_varint_encoding()).unwrap();
    assert_eq!(hex(&theirs), hex(&to_bytes(&whole)));
}

/// Serde's data model over wincode's primitives: a struct is its fields one after another.
struct Bytes(Vec<u8>);

impl Viewer for Bytes {
    fn see<T: Serialize + Debug>(&mut self, event: &T) {
        event.serialize(self).expect("events are made of what this serializer knows");
    }
}

type Error = serde::de::value::Error;

/// A primitive as wincode writes it.
macro_rules! primitives {
    ($( $name:ident: $type:ty ),*) => { $(
        fn $name(self, value: $type) -> Result<(), Error> {
            let format = Configuration::default().with_varint_encoding();
            self.0.extend(serialize(&value, format).map_err(Error::custom)?);
            Ok(())
        }
    )* };
}

impl Serializer for &mut Bytes {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    primitives! {
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        let format = Configuration::default().with_varint_encoding();
        self.0.extend(serialize(text, format).map_err(Error::custom)?);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        let format = Configuration::default().with_varint_encoding();
        self.0.extend(serialize(bytes, format).map_err(Error::custom)?);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_u8(0)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        self.serialize_u8(1)?;
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        place: u32,
        _: &'static str,
    ) -> Result<(), Error> {
        self.serialize_u32(place)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        place: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.serialize_u32(place)?;
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Error> {
        let length = length.ok_or_else(|| Error::custom("a list of unknown length"))?;
        self.serialize_u64(length as u64)?;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        place: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.serialize_u32(place)?;
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(Error::custom("events hold no map"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        place: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.serialize_u32(place)?;
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The parts of a compound value, one after another.
macro_rules! parts {
    ($( $compound:ident :: $part:ident ( $( $name:ty )? ) ),*) => { $(
        impl serde::ser::$compound for &mut Bytes {
            type Ok = ();
            type Error = Error;

            fn $part<T: ?Sized + Serialize>(&mut self, $( _: $name, )? value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )* };
}

parts! {
    SerializeSeq::serialize_element(),
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str)
}
