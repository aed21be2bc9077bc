"""What customers of Lua CRM keep about their own customers: people, what passed between them, invoices."""

from ..table import Reject, TableError
from .customer import import_customers
from .customer_view import (
    CustomerView,
    contacts_of,
    count_customers,
    list_customers,
    page_customers,
    show_customer,
)
from .interaction import InteractionView, import_interactions, list_interactions
from .invoice import import_invoices
from .invoice_view import InvoiceView, list_invoices
from .opening import PURPOSE
from .report import Options, RejectedError, Report
from .view import Listing

__all__ = [
    "PURPOSE",
    "CustomerView",
    "InteractionView",
    "InvoiceView",
    "Listing",
    "Options",
    "Reject",
    "RejectedError",
    "Report",
    "TableError",
    "contacts_of",
    "count_customers",
    "import_customers",
    "import_interactions",
    "import_invoices",
    "list_customers",
    "list_interactions",
    "list_invoices",
    "page_customers",
    "show_customer",
]
