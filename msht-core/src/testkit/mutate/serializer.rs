//! Takes a value apart by its own `Serialize`.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::Tree;

/// A byte tuple at least this long is one value: a digest, a key, a signature.
const LEAST_FIXED_BYTES: usize = 16;

/// A kind of value that no message has.
#[derive(Debug)]
pub(super) struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unknown {}

impl ser::Error for Unknown {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

fn unknown<T>(kind: &str) -> Result<T, Unknown> {
    Err(Unknown(format!("{kind} is not taken apart")))
}

/// The serializer.
pub(super) struct Parts;

/// Collects the parts of something with several.
pub(super) struct Collected {
    parts: Vec<(String, Tree)>,
    shape: Shape,
}

enum Shape {
    List,
    Tuple,
    Fields,
    Variant(u32),
}

impl Collected {
    fn new(shape: Shape) -> Self {
        Self {
            parts: Vec::new(),
            shape,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), Unknown> {
        self.parts.push((name, value.serialize(Parts)?));
        Ok(())
    }

    fn add_next<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        self.add(self.parts.len().to_string(), value)
    }

    fn done(self) -> Tree {
        let parts = self.parts;
        match self.shape {
            Shape::List => Tree::List(parts.into_iter().map(|(_, part)| part).collect()),
            Shape::Fields => Tree::Fields(parts),
            Shape::Variant(number) => Tree::Variant(number, Box::new(Tree::Fields(parts))),
            Shape::Tuple => {
                let byte = |part: &Tree| match part {
                    Tree::Integer(bytes) => <[u8; 1]>::try_from(bytes.as_slice()).ok(),
                    _ => None,
                };
                let bytes: Option<Vec<[u8; 1]>> =
                    parts.iter().map(|(_, part)| byte(part)).collect();
                match bytes {
                    Some(bytes) if bytes.len() >= LEAST_FIXED_BYTES => Tree::Fixed(bytes.concat()),
                    _ => Tree::Fields(parts),
                }
            }
        }
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<Tree, Unknown> {
            Ok(Tree::Integer(value.to_le_bytes().to_vec()))
        })*
    };
}

impl Serializer for Parts {
    type Ok = Tree;
    type Error = Unknown;
    type SerializeSeq = Collected;
    type SerializeTuple = Collected;
    type SerializeTupleStruct = Collected;
    type SerializeTupleVariant = Collected;
    type SerializeMap = Collected;
    type SerializeStruct = Collected;
    type SerializeStructVariant = Collected;

    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
              serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64);

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<Tree, Unknown> {
        Ok(Tree::Integer(vec![u8::from(value)]))
    }

    fn serialize_str(self, value: &str) -> Result<Tree, Unknown> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Tree, Unknown> {
        Ok(Tree::Bytes(value.to_vec()))
    }

    fn serialize_none(self) -> Result<Tree, Unknown> {
        Ok(Tree::Optional(None))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, Unknown> {
        Ok(Tree::Optional(Some(Box::new(value.serialize(self)?))))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
    ) -> Result<Tree, Unknown> {
        Ok(Collected::new(Shape::Variant(number)).done())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Tree, Unknown> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Tree, Unknown> {
        Ok(Tree::Variant(number, Box::new(value.serialize(self)?)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Collected, Unknown> {
        Ok(Collected::new(Shape::List))
    }

    fn serialize_tuple(self, _: usize) -> Result<Collected, Unknown> {
        Ok(Collected::new(Shape::Tuple))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Collected, Unknown> {
        Ok(Collected::new(Shape::Tuple))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Collected, Unknown> {
        Ok(Collected::new(Shape::Variant(number)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Collected, Unknown> {
        Ok(Collected::new(Shape::List))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Collected, Unknown> {
        Ok(Collected::new(Shape::Fields))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        number: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Collected, Unknown> {
        Ok(Collected::new(Shape::Variant(number)))
    }

    fn serialize_f32(self, _: f32) -> Result<Tree, Unknown> {
        unknown("f32")
    }

    fn serialize_f64(self, value: f64) -> Result<Tree, Unknown> {
        Ok(Tree::Integer(value.to_le_bytes().to_vec()))
    }

    fn serialize_char(self, _: char) -> Result<Tree, Unknown> {
        unknown("char")
    }

    fn serialize_unit(self) -> Result<Tree, Unknown> {
        unknown("unit")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, Unknown> {
        unknown("unit struct")
    }
}

impl ser::SerializeSeq for Collected {
    type Ok = Tree;
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        self.add_next(value)
    }

    fn end(self) -> Result<Tree, Unknown> {
        Ok(self.done())
    }
}

impl ser::SerializeTuple for Collected {
    type Ok = Tree;
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        self.add_next(value)
    }

    fn end(self) -> Result<Tree, Unknown> {
        Ok(self.done())
    }
}

macro_rules! with_fields {
    ($($of:ident: $method:ident),*) => {
        $(impl ser::$of for Collected {
            type Ok = Tree;
            type Error = Unknown;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
                self.add_next(value)
            }

            fn end(self) -> Result<Tree, Unknown> {
                Ok(self.done())
            }
        })*
    };
}

with_fields!(SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field);

impl ser::SerializeMap for Collected {
    type Ok = Tree;
    type Error = Unknown;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unknown> {
        self.add_next(key)
    }

    /// Key and value are one element of the list.
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        let Some((number, key)) = self.parts.pop() else {
            return unknown("a value without a key");
        };
        let value = value.serialize(Parts)?;
        let entry = vec![("key".to_owned(), key), ("value".to_owned(), value)];
        self.parts.push((number, Tree::Fields(entry)));
        Ok(())
    }

    fn end(self) -> Result<Tree, Unknown> {
        Ok(self.done())
    }
}

impl ser::SerializeStruct for Collected {
    type Ok = Tree;
    type Error = Unknown;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unknown> {
        self.add(name.to_owned(), value)
    }

    fn end(self) -> Result<Tree, Unknown> {
        Ok(self.done())
    }
}

impl ser::SerializeStructVariant for Collected {
    type Ok = Tree;
    type Error = Unknown;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unknown> {
        self.add(name.to_owned(), value)
    }

    fn end(self) -> Result<Tree, Unknown> {
        Ok(self.done())
    }
}
