package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// certificate says whether an error is about the other side's certificate.
func certificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &host)
}
