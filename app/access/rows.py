"""Tables of accounts and sessions: the app's own, in the same database and metadata as the core's."""

from sqlalchemy import BigInteger, ForeignKeyConstraint, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from trace.store.rows import Base

_BIG = BigInteger().with_variant(Integer, "sqlite")


class AccountRow(Base):
    """Somebody who may sign in."""

    __tablename__ = "account"
    platform: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    """`operator` or `regulator`; more come with the issue on access."""
    party: Mapped[str | None] = mapped_column(String(32))
    """Pseudonym of the enterprise that an operator works for."""
    region: Mapped[str | None] = mapped_column(String(6))
    display_zh: Mapped[str] = mapped_column(String(60))
    display_en: Mapped[str] = mapped_column(String(60))


class SessionRow(Base):
    """A signed-in browser. The cookie holds the token, the table only its hash."""

    __tablename__ = "web_session"
    __table_args__ = (
        ForeignKeyConstraint(("platform", "account"), ("account.platform", "account.name"), ondelete="CASCADE"),
    )
    platform: Mapped[int] = mapped_column(Integer, primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(60))
    created_ms: Mapped[int] = mapped_column(_BIG)
    seen_ms: Mapped[int] = mapped_column(_BIG)
