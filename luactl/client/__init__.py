"""What the CRM itself uses: contacts read, made and changed, each reading recorded first.

The contract that it keeps, for services in any language, is docs/reference/crm-contract.md. Nothing here is
done a second time: rows are sealed and opened, and entries written, by the engine that the commands use.
"""

from .client import Client, Reading, open_client
from .user import AppUser
from .writing import Contact

__all__ = ["AppUser", "Client", "Contact", "Reading", "open_client"]
