// Package sdk holds the words of dwaar.
package sdk
