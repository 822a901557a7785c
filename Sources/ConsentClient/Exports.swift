// The client's methods speak in domain values (channels, purposes, reasons), so `import ConsentClient` alone
// is enough to name them. Nothing else is re-exported.

@_exported import ConsentDomain
