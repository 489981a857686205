//! `+ - * /` on columns and computed values.

use std::ops::{Add, Div, Mul, Neg, Sub};

use stellata_protocol::Oid;

use crate::expr::computed::{Expr, Number};
use crate::expr::fragment::Fragment;
use crate::expr::operand::Operand;
use crate::expr::token;
use crate::model::column::Column;

fn calculate<R, T>(
    (mut left, oid): (Fragment, Oid),
    right: impl Operand<R, T>,
    op: u8,
) -> Expr<R, T> {
    if !right.write(oid, &mut left) {
        left.put(token::NULL);
    }
    left.put(op);
    Expr::new(left, oid)
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $token:ident;)*) => {$(
        impl<R, T: Number, O: Operand<R, T>> $trait<O> for Column<R, T> {
            type Output = Expr<R, T>;

            fn $method(self, right: O) -> Expr<R, T> {
                calculate(self.begin(), right, token::$token)
            }
        }

        impl<R, T: Number, O: Operand<R, T>> $trait<O> for Expr<R, T> {
            type Output = Self;

            fn $method(self, right: O) -> Self {
                calculate(self.begin(), right, token::$token)
            }
        }
    )*};
}

arithmetic! {
    Add add ADD;
    Sub sub SUB;
    Mul mul MUL;
    Div div DIV;
}

impl<R, T: Number> Neg for Column<R, T> {
    type Output = Expr<R, T>;

    fn neg(self) -> Expr<R, T> {
        let (mut fragment, oid) = self.begin();
        fragment.put(token::NEGATE);
        Expr::new(fragment, oid)
    }
}

impl<R, T: Number> Neg for Expr<R, T> {
    type Output = Self;

    fn neg(self) -> Self {
        let (mut fragment, oid) = self.begin();
        fragment.put(token::NEGATE);
        Self::new(fragment, oid)
    }
}
